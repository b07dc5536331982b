"""Queues (TL4xx)."""
