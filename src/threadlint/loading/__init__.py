"""Reading the files of a run: what is remembered is not read, what is not is read by several workers at once."""
