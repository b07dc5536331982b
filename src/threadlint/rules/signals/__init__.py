"""TL5xx: semaphores, conditions, events and barriers."""
