"""What is left of a text without the comments and blank lines that mean nothing: two texts of one form have the same facts, in other lines.

A comment that is added or a blank line that is taken away then costs no new analysis: the lines of its findings are counted anew.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from hashlib import blake2b
from itertools import zip_longest

from threadlint.facts.comments import annotated

# The group is kept as it is, the rest goes. A comment with a quote in it is not matched: it may be the inside of an
# f-string. Each alternative begins with one character, by which the search passes quickly over all the others; what is asked after
# the end of a line is answered for a line with code without going back over its blanks.
_SKIP = re.compile(
    r"""
    (
        \"\"\"[^"\\]*(?:(?:\\(?s:.)|"(?!""))[^"\\]*)*\"\"\"
        | \'\'\'[^'\\]*(?:(?:\\(?s:.)|'(?!''))[^'\\]*)*\'\'\'
        | "[^"\\\n]*(?:\\(?s:.)[^"\\\n]*)*"
        | '[^'\\\n]*(?:\\(?s:.)[^'\\\n]*)*'
        | \\(?s:.)
    )
    | \n(?![ \t\f]*[^ \t\f\n\#])[ \t\f]*(?:\#[^"'\n]*)?(?=\n|\Z)
    | \#[^"'\n]*(?=\n|\Z)
    """,
    re.VERBOSE,
)
# The prefix is looked for from behind: few texts have many such quotes, all have many letters.
_LONG_FORMATTED = re.compile(r"(?:\"\"\"|''')(?:(?<=\b[ftFT]...)|(?<=\b[ftFT][rR]...)|(?<=\b[rR][ftFT]...))")
_BLANKS = " \t\f"


def form(text: str) -> bytes:
    """A hash of the form of the text; empty where only the text itself will do."""
    if _unsafe(text):
        return b""
    texts = _SKIP.split(f"\n{text}")
    kept = [
        piece.rstrip(_BLANKS) if after is None else piece + after
        for piece, after in zip_longest(texts[::2], texts[1::2], fillvalue="")
    ]
    return blake2b("".join(kept).encode(), digest_size=20).digest()


def _unsafe(text: str) -> bool:
    """Where more is to be known than this knows: other line ends, f-strings over several lines, comments that are facts."""
    return "\r" in text or "\0" in text or _LONG_FORMATTED.search(text) is not None or annotated(text)


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
    return found[1] or ("\0" if found[0][0] == "\n" else "")
