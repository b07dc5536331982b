"""Locks and deadlocks (TL2xx)."""
