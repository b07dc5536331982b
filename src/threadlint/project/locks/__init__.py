"""Which values are locks, and which locks are held where."""
