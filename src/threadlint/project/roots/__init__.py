"""Where threads start, what they reach, whose objects are, and what can run in parallel."""
