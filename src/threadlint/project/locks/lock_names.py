"""What the name of a lock says it is for."""

from __future__ import annotations

import re

_LOCK = re.compile(r"r?lock|mutex|condition|cond|_")


def lock_stem(name: str) -> str:
    """What the name says beside that it is a lock: `queue` of `_queue_lock`, nothing of `_lock`."""
    return _LOCK.sub("", name.lower())


def compact(name: str) -> str:
    """The name as stems are compared with it: `rowsById` and `rows_by_id` are the same."""
    return name.lower().replace("_", "")
