"""A source line with the place underlined, safe and aligned on any terminal."""

from __future__ import annotations

import re
from unicodedata import combining, east_asian_width

from threadlint.findings import Site

TAB = "    "
WIDTH = 120
"""Longest stretch of a source line that is shown, in cells of the terminal."""
BEFORE = 40
"""How many characters before the place remain where a long line is cut."""


def source_lines(source: str) -> list[str]:
    """The lines of `source` as Python counts them: form feeds and Unicode separators do not end a line."""
    return re.split(r"\r\n|\r|\n", source)


def visible(text: str) -> str:
    """`text` with whatever is not printable escaped, so that it can neither steer a terminal nor hide text."""
    return "".join(map(_glyph, text))


def excerpt(lines: list[str], site: Site) -> tuple[str, str] | None:
    """The first line of `site` as it is shown, and the underline below it; None where the text has no such line."""
    if not 1 <= site.line <= len(lines):
        return None
    line = lines[site.line - 1].rstrip()
    first = min(site.column, len(line) + 1) - 1
    last = site.end_column - 1 if site.end_line == site.line else len(line)
    glyphs = list(map(_glyph, line))
    start = max(0, first - BEFORE) if sum(map(_cells, glyphs)) > WIDTH else 0
    shown = "…" if start else ""
    indent = len(shown)
    marked = 0
    for index in range(start, len(glyphs)):
        cells = _cells(glyphs[index])
        if _cells(shown) + cells > WIDTH:
            shown += "…"
            break
        shown += glyphs[index]
        if index < first:
            indent += cells
        elif index < last:
            marked += cells
    return shown, " " * indent + "^" * max(marked, 1)


def _glyph(character: str) -> str:
    if character == "\t":
        return TAB
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def _cells(text: str) -> int:
    return sum(2 if east_asian_width(one) in "WF" else 0 if combining(one) else 1 for one in text)
