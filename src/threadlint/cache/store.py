"""Where values are kept by key: for one run or one process in memory, between runs in a file of SQLite."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol


class Store(Protocol):
    """Keeps bytes by key, and remembers which content a file had when it was last read.

    Nothing here raises for what is wrong with the place where values are kept: a value that cannot be had is None.
    """

    def get(self, key: bytes) -> bytes | None:
        """The value, None where there is none."""

    def put(self, key: bytes, value: bytes) -> None:
        """Keep the value."""

    def content(self, path: str, stat: os.stat_result) -> bytes | None:
        """The hash of the file's content, where nothing tells that it has changed since it was seen."""

    def see(self, path: str, stat: os.stat_result, digest: bytes) -> None:
        """Remember the hash of a file's content, with what the system said of the file before it was read."""

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Many reads follow: worth one lock rather than one for each."""
        yield


@dataclass(slots=True)
class MemoryStore(Store):
    """Keeps values as long as it lives, and does not trust files to stay as they are."""

    values: dict[bytes, bytes] = field(default_factory=dict)

    def get(self, key: bytes) -> bytes | None:
        """See Store."""
        return self.values.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """See Store."""
        self.values[key] = value

    def content(self, path: str, stat: os.stat_result) -> bytes | None:  # noqa: ARG002 see Store
        """See Store."""
        return None

    def see(self, path: str, stat: os.stat_result, digest: bytes) -> None:
        """See Store."""
