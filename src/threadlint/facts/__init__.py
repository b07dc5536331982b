"""What one file says about threads: plain data, without a syntax tree."""
