"""Signals: conditions, events, barriers and semaphores, and who gives and takes them."""
