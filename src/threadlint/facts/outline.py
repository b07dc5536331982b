"""The brackets, comments and logical lines of a text, found without a parser.

Needed before parsing (how deeply is this nested?) and for what no parser keeps (which lines does this comment belong to?).
Follows the lexical analysis of the Python 3.14 reference, with f-strings and t-strings as in PEP 701 and PEP 750; what
older versions accept is read the same way by these rules. A text that is not correct Python has an outline too.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

NEWLINE = re.compile(r"\r\n|\r|\n")
"""What ends a physical line. Form feeds and Unicode line separators do not."""

SHORT = 120
"""Characters: a logical line that is no longer cannot be deep."""

_STRINGS = (
    r'"""[^"\\]*(?:(?:\\(?s:.)|"(?!""))[^"\\]*)*"""',
    r"'''[^'\\]*(?:(?:\\(?s:.)|'(?!''))[^'\\]*)*'''",
    r'"(?!"")[^"\\\r\n]*(?:\\(?:\r\n|(?s:.))[^"\\\r\n]*)*"',
    r"'(?!'')[^'\\\r\n]*(?:\\(?:\r\n|(?s:.))[^'\\\r\n]*)*'",
)
STRING = "|".join(_STRINGS)
"""A string without its prefix."""
_FORMATTED = r"\b(?:[ft]r?|r[ft])"
# Nothing but short names in the fields: nearly all f-strings are so, and one match takes them whole.
_FIELDS = r"""(?:[^{quote}\\\r\n{{}}]|\{{[^"'{{}}\\\r\n\#()\[\]]{{1,60}}\}}|\{{\{{|\}}\}})*"""
_SIMPLE = "|".join(rf"{quote}(?!{quote}{quote}){_FIELDS.format(quote=quote)}{quote}" for quote in "\"'")
_BASIC = rf"""
    (?P<open>[(\[{{])
    |(?P<close>[)\]}}])
    |(?P<newline>\r\n|\r|\n)
    |(?P<comment>\#[^\r\n]*)
    |(?P<joined>\\(?:\r\n|\r|\n))
    |(?P<string>{_FORMATTED}(?:{_SIMPLE})|(?:\b(?:[rbu]|br|rb))?(?:{STRING}))
    |(?P<formatted>{_FORMATTED}(?:\"\"\"|'''|"|'))
"""
_FLAGS = re.VERBOSE | re.IGNORECASE
# A prefix takes its quote along only where it starts a word, so the other strings must not start inside one.
_TOKEN = re.compile(_BASIC, _FLAGS)
_IN_FIELD = re.compile(rf"{_BASIC}|(?P<spec>:)", _FLAGS)
_LINK = r"|(?P<link>[-+*/%@&|^~<>=!.]+|\b(?:not|and|or|if|else|lambda|await|in|is)\b)"
_TOKEN_OR_LINK = re.compile(rf"{_BASIC}{_LINK}|(?P<fresh>[,;])", _FLAGS)
_IN_FIELD_OR_LINK = re.compile(rf"{_BASIC}|(?P<spec>:){_LINK}|(?P<fresh>[,;])", _FLAGS)
_CASE = re.compile(r"[ \t\f]*case\b(?!\s*[=.,:])")
_HEAD = re.compile(r"([ \t\f]*)(elif\b|[^\s#])?")


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment, from its `#` at the offset `start` to `end`.

    `first` and `last` are the offsets of the start and the end of the logical line that it belongs to; a comment on a line
    of its own, outside brackets, belongs to none and they are equal to `start` and `end`. `near` is the offset of the start of
    its physical line, or of the first of the lines that a string over several lines or backslashes join to it.
    """

    start: int
    end: int
    near: int
    first: int
    last: int


@dataclass(frozen=True)
class Outline:
    """What `outline` finds in a text."""

    text: str
    comments: tuple[Comment, ...]
    brackets: int
    """The deepest nesting of brackets, fields of f-strings included."""
    patterns: int
    """The same for the lines that start with `case`."""
    pattern: int
    """The offset where that is."""
    lines: tuple[tuple[int, int], ...]
    """Where the logical lines that are not blank start and end."""
    innermost: int
    """The offset where the brackets are nested most deeply."""

    @property
    def depth(self) -> int:
        """An upper bound of the depth of the syntax tree, in expressions and statements, up to a small factor."""
        return self._deepest[0]

    @property
    def where(self) -> int:
        """The offset where `depth` is reached."""
        return self._deepest[1]

    @cached_property
    def _deepest(self) -> tuple[int, int]:
        # Most outlines are made for the comments.
        depth, where = self.brackets, self.innermost
        for first, last in self.lines:
            if last - first > SHORT:
                close = _Scan(self.text, first, last, links=True)
                close.run()
                if close.depth > depth:
                    depth, where = close.depth, close.where
        height, place = _blocks(self.text, self.lines)
        return depth + height, where if depth > height else place

    @cached_property
    def starts(self) -> list[int]:
        """The offsets at which the physical lines start."""
        return [0, *(found.end() for found in NEWLINE.finditer(self.text))]

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both counted from 1, the column in characters."""
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1


@dataclass(slots=True)
class _Level:
    """An open bracket, or an open field of an f-string: then `quote` is what ends the string."""

    links: int = 0
    quote: str = ""
    raw: bool = False
    spec: bool = False


@dataclass(slots=True)
class _Scan:
    """One pass over `text[at:end]`; with `links` it measures chains of operators, which takes twice the time."""

    text: str
    at: int
    end: int
    links: bool = False
    levels: list[_Level] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    lines: list[tuple[int, int]] = field(default_factory=list)
    brackets: int = 0
    in_line: int = 0
    patterns: int = 0
    pattern: int = 0
    depth: int = 0
    where: int = 0

    def run(self) -> None:
        outer, inner = (_TOKEN_OR_LINK, _IN_FIELD_OR_LINK) if self.links else (_TOKEN, _IN_FIELD)
        text, levels = self.text, self.levels
        base = _Level()
        plain = None if self.links else base  # what is not measured can be shared
        first, total, pending = self.at, 0, list[tuple[int, int, int]]()
        near = first
        while found := (inner if levels and levels[-1].quote else outer).search(text, self.at, self.end):
            kind = found.lastgroup
            self.at = found.end()
            if kind == "newline":
                near = self.at
                if not levels:
                    self._end_line(first, found.start(), pending)
                    first = self.at
                continue
            if kind == "open":
                levels.append(plain or _Level())
            elif kind == "close":
                total -= self._close(found[0])
            elif kind == "comment":
                pending.append((*found.span(), near))
            elif kind == "formatted":
                quote = found[0].lstrip("fFtTrR")
                self._literal(quote, raw="r" in found[0].lower(), spec=False)
            elif kind == "spec":
                levels[-1].spec = True
                self._literal(levels[-1].quote, raw=levels[-1].raw, spec=True)
            if plain is None:
                total += _measured(kind, found[0], levels[-1] if levels else base)
                self._note(len(levels), total)
            elif len(levels) > self.in_line:
                self._note(len(levels), 0)
        self._end_line(first, self.end, pending)

    def _note(self, brackets: int, links: int) -> None:
        self.in_line = max(self.in_line, brackets)
        if brackets + links > self.depth:
            self.depth, self.where = brackets + links, self.at

    def _end_line(self, first: int, last: int, pending: list[tuple[int, int, int]]) -> None:
        """A logical line ends: its comments now know where."""
        if last - first > 1 or pending:
            self.lines.append((first, last))
        if self.in_line > self.patterns and _CASE.match(self.text, first):
            self.patterns, self.pattern = self.in_line, first
        self.brackets, self.in_line = max(self.brackets, self.in_line), 0
        if pending:
            alone = not self.text[first : pending[0][0]].strip()
            for start, end, near in pending:
                self.comments.append(Comment(start, end, near, *((start, end) if alone else (first, last))))
            pending.clear()

    def _close(self, bracket: str) -> int:
        """Leave a level; gives the links that were in it."""
        if not self.levels or (self.levels[-1].quote and bracket != "}"):
            return 0
        level = self.levels.pop()
        if level.quote:
            self._literal(level.quote, raw=level.raw, spec=self._in_spec(level.quote))
        return level.links

    def _in_spec(self, quote: str) -> bool:
        return bool(self.levels) and self.levels[-1].spec and self.levels[-1].quote == quote

    def _literal(self, quote: str, *, raw: bool, spec: bool) -> None:
        """Go on in the text of an f-string, or in the format of one of its fields, up to its end or its next field."""
        pattern = _literal_pattern(quote)
        while found := pattern.search(self.text, self.at, self.end):
            self.at = found.end()
            piece = found[0]
            if piece.startswith("\\"):
                named = piece.startswith("\\N{")
                if (raw and named) or piece[1:2] in {"{", "}"}:
                    self.at = found.start() + (2 if named else 1)
            elif piece == "{{" and not spec:
                continue
            elif piece.startswith("{"):
                self.at = found.start() + 1
                self.levels.append(_Level(quote=quote, raw=raw))
                return
            elif piece.startswith("}") and spec:
                self.at = found.start() + 1
                self.levels.pop()
                spec = self._in_spec(quote)
            elif piece[0] not in "{}":
                if piece[0] in "\r\n":
                    self.at = found.start()
                if spec:
                    self.levels.pop()
                return
        self.at = self.end


def _measured(kind: str | None, piece: str, level: _Level) -> int:
    """Count the links of a token in the level where it stands; gives how many more there are now."""
    if kind == "fresh":
        more = -level.links
    elif kind == "close":
        more = 2
    elif kind in {"link", "string", "formatted"}:
        more = len(piece) if kind == "link" and not piece[0].isalpha() else 1
    else:
        more = 0
    level.links += more
    return more


def _literal_pattern(quote: str) -> re.Pattern[str]:
    ends = quote if len(quote) == 3 else rf"{quote}|[\r\n]"
    return re.compile(rf"\\(?:N\{{[^}}{quote[0]}\r\n]*\}}|\r\n|(?s:.))|\{{\{{|\}}\}}|[{{}}]|{ends}")


def outline(text: str) -> Outline:
    """The outline of a text; an unclosed string or bracket ends with the text."""
    scan = _Scan(text, 0, len(text))
    scan.run()
    return Outline(
        text, tuple(scan.comments), scan.brackets, scan.patterns, scan.pattern, tuple(scan.lines), scan.where
    )


def _blocks(text: str, lines: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """The depth of the statements, and where that is.

    A block in a block counts six, for the stack that the parser needs for it; each branch of an `elif` ladder counts one.
    """
    blocks = rungs = where = 0
    open_blocks: list[int] = []
    ladders: dict[int, int] = {}
    counting = "elif" in text
    for first, _ in lines:
        found = _HEAD.match(text, first)
        if found is None or not found[2]:
            continue
        columns = len(found[1]) + 3 * found[1].count("\t")
        while open_blocks and open_blocks[-1] >= columns:
            open_blocks.pop()
        open_blocks.append(columns)
        if len(open_blocks) > blocks:
            blocks, where = len(open_blocks), first
        if counting and found[2] == "elif":
            ladders[columns] = ladders.get(columns, 0) + 1
            if ladders[columns] > rungs:
                rungs, where = ladders[columns], first
        elif counting and ladders:
            ladders = {column: count for column, count in ladders.items() if column < columns}
    return 6 * (blocks - 1) + rungs if blocks else 0, where
