"""Threads, futures and executors (TL3xx)."""
