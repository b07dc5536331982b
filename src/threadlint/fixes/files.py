"""Fixed text -> bytes as the file had them -> the file, in one step that leaves either the old or the new content."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from difflib import unified_diff
from pathlib import Path

from threadlint.facts.outline import NEWLINE
from threadlint.facts.source import encoding_of


def encoded(text: str, original: bytes) -> bytes:
    """The text in the encoding of the file that it is made from, with its byte order mark."""
    return text.encode(encoding_of(original)[0])


def write(path: str, original: bytes, data: bytes) -> None:
    """Replace the content of a file, which must be `original` still; raises OSError where that cannot be done.

    A symbolic link stays one, and the file keeps its mode.
    """
    target = Path(os.path.realpath(path))
    now = target.read_bytes()
    if now == data:  # under another name, it has been written already
        return
    if now != original:
        raise OSError("the file has changed in the meantime")
    if not os.access(target, os.W_OK):
        raise PermissionError("no permission to write this file")
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(name).chmod(target.stat().st_mode & 0o7777)
        Path(name).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def diff(path: str, before: str, after: str) -> Iterator[str]:
    """The unified diff of two texts, line by line, without the ends of lines."""
    old, new = _lines(before), _lines(after)
    for line in unified_diff(old, new, path, path, lineterm=""):
        yield line if not line.endswith("\0") else f"{line[:-1]}\n\\ No newline at end of file"


def _lines(text: str) -> list[str]:
    """The lines without their ends; a last one that has none is marked, so that it differs from one that has."""
    *lines, last = NEWLINE.split(text)
    return [*lines, f"{last}\0"] if last else lines
