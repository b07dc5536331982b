"""Settings that nobody imports and that count for the whole program."""

from __future__ import annotations

from threadlint.knowledge.frameworks import SWITCHES


def is_ambient(text: str) -> bool:
    """Whether the text may hold a setting that tells for the whole program that a framework uses threads."""
    return any(name in text and any(value in text for value in values) for name, (values, _runner) in SWITCHES.items())
