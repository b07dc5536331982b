"""What only the GIL makes safe (TL8xx)."""
