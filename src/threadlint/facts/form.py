"""What is left of a text without the comments and blank lines that mean nothing: two texts of one form have the same facts, in other lines.

A comment that is added or a blank line that is taken away then costs no new analysis: the lines of its findings are counted anew.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from hashlib import blake2b

# What begins with a quote or a backslash is kept as it is. A comment with a quote in it is not matched: it may be the inside of an
# f-string. Each alternative begins with one character, by which the search passes quickly over all the others.
_SKIP = re.compile(
    r"""
    \"\"\"[^"\\]*(?:(?:\\(?s:.)|"(?!""))[^"\\]*)*\"\"\"
    | \'\'\'[^'\\]*(?:(?:\\(?s:.)|'(?!''))[^'\\]*)*\'\'\'
    | "[^"\\\n]*(?:\\(?s:.)[^"\\\n]*)*"
    | '[^'\\\n]*(?:\\(?s:.)[^'\\\n]*)*'
    | \\\n
    | \n[ \t\f]*(?:\#[^"'\n]*)?(?=\n|\Z)
    | \ [ \t\f]*\#[^"'\n]*(?=\n|\Z)
    | \t[ \t\f]*\#[^"'\n]*(?=\n|\Z)
    | \#[^"'\n]*(?=\n|\Z)
    """,
    re.VERBOSE,
)
_KEPT = frozenset("\"'\\")
_UNSAFE = re.compile(r"\r|\0|(?i:\b(?:f|t|fr|rf|tr|rt)(?:\"\"\"|'''))|(?i:guarded[-_ ]by|requires[-_ ]lock)")
"""Where more is to be known than this knows: other line ends, f-strings over several lines, comments that are facts."""


def form(text: str) -> bytes:
    """A hash of the form of the text; empty where only the text itself will do."""
    if _UNSAFE.search(text):
        return b""
    kept = _SKIP.sub(lambda found: found[0] if found[0][0] in _KEPT else "", f"\n{text}")
    return blake2b(kept.encode(), digest_size=20).digest()


@dataclass(frozen=True, slots=True)
class Lines:
    """Which line of a text is which line of its form; both count from 1."""

    kept: tuple[int, ...]

    def to_form(self, line: int) -> int:
        """Raises ValueError for a line that the form has not."""
        at = bisect_left(self.kept, line)
        if at == len(self.kept) or self.kept[at] != line:
            raise ValueError(line)
        return at + 1

    def from_form(self, line: int) -> int:
        """Raises ValueError as above."""
        if not 1 <= line <= len(self.kept):
            raise ValueError(line)
        return self.kept[line - 1]


def lines(text: str) -> Lines:
    """The lines of a text that has a form."""
    marked = _SKIP.sub(_marked, f"\n{text}")
    kept: list[int] = []
    line = 0
    for piece in marked.split("\n"):
        kept.append(line)
        line += 1 + piece.count("\0")
    return Lines(tuple(kept[1:]))


def _marked(found: re.Match[str]) -> str:
    piece = found[0]
    return piece if piece[0] in _KEPT else "\0" if piece[0] == "\n" else ""
