"""Shared state and data races (TL1xx)."""
