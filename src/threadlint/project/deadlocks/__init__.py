"""In which order locks are taken, and who waits for whom."""
