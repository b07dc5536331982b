"""What one function does: its paths, its uses of variables and containers, and the life of its objects."""
