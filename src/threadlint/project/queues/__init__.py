"""Which values are the same queue, and who takes items from it."""
