"""What comments say to threadlint: which findings to silence, and which locks guard what.

- `# noqa`, `# noqa: TL101,E501`, `# noqa: TL101 (reason)`: as flake8 has it.
- `# threadlint: ignore`, `# threadlint: ignore[TL101, TL205] reason`: the same in threadlint's own words.
- `# threadlint: ignore-file`, and `# flake8: noqa` on a line of its own: the whole file; with codes, only those.
- `# guarded-by: _lock`, `# requires-lock: _lock`: annotations, with `_` or a space for the hyphen as well.

`# noqa` concerns the line that it ends, together with the lines that a string over several lines or backslashes join to it: so
flake8 7 has it, and a comment must not mean one thing there and another here. `# threadlint: ignore` concerns the whole logical line:
all lines of a call that is broken over several, but only the header of a compound statement. On a line of its own either concerns
nothing, unless it is for the whole file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from threadlint.facts.outline import Comment, Outline

END_OF_FILE = 2**31 - 1
"""The last line that a comment for the whole file covers."""

_NAMES = ("noqa", "threadlint:")
_FACTS = tuple(
    f"{first}{joint}{second}" for first, second in (("guarded", "by"), ("requires", "lock")) for joint in "-_ "
)
_MENTION = re.compile("|".join((*_NAMES, *_FACTS)), re.IGNORECASE)
_FACT = re.compile("|".join(_FACTS), re.IGNORECASE)
# As flake8 7 reads it: one blank before `noqa`, at most one after the colon; anything else makes it one without codes.
_CODES = r"(?P<codes>[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*)"
_NOQA = re.compile(rf"# noqa(?::\s?{_CODES})?", re.IGNORECASE)
_NOQA_FILE = re.compile(rf"# flake8[:=]\s*noqa(?::\s?{_CODES})?", re.IGNORECASE)
_IGNORE = re.compile(r"#\s*threadlint:\s*ignore(?P<file>-file)?(?![\w-])(?:\s*\[(?P<codes>[^\]]*)\])?", re.IGNORECASE)
_REASON = re.compile(r"[,\s]*([^#]*)")
_ANNOTATION = re.compile(r"#\s*(guarded[-_ ]by|requires[-_ ]lock)\s*:\s*([A-Za-z_][\w.]*)", re.IGNORECASE)


class Suppression(msgspec.Struct, frozen=True, array_like=True):
    """A comment that silences findings on the lines `first` to `last`.

    Line and columns, counted from 1 in characters, say where the comment's own words stand; `codes` is as written, in capitals;
    `blanket` is for a comment without codes.
    """

    line: int
    column: int
    end_column: int
    first: int
    last: int
    codes: tuple[str, ...]
    blanket: bool
    kind: Literal["noqa", "ignore"]
    reason: str


class Annotation(msgspec.Struct, frozen=True, array_like=True):
    """A comment that says which lock (`value`, such as `self._lock`) guards what is on the line or must be held there."""

    line: int
    kind: Literal["guarded-by", "requires-lock"]
    value: str


class Comments(msgspec.Struct, frozen=True, array_like=True):
    """All that the comments of a file say, in the order of the file."""

    suppressions: tuple[Suppression, ...] = ()
    annotations: tuple[Annotation, ...] = ()


def mentioned(text: str) -> bool:
    """Whether the text may have such comments: one quick look, without an outline."""
    if _unlike(text):
        return _MENTION.search(text) is not None
    lowered = text.lower()  # words are found ten times as fast as a pattern
    return any(name in lowered for name in _NAMES) or _has_facts(lowered)


def annotated(text: str) -> bool:
    """Whether the text may have comments that are facts about locks."""
    return _FACT.search(text) is not None if _unlike(text) else _has_facts(text.lower())


def _has_facts(lowered: str) -> bool:
    return ("guarded" in lowered or "requires" in lowered) and any(fact in lowered for fact in _FACTS)


def _unlike(text: str) -> bool:
    """Whether it has letters that a pattern takes for `i` and `s`, and `str.lower` does not."""
    return not text.isascii() and any(letter in text for letter in "\u0130\u0131\u017f")


def scan(text: str, found: Outline | None = None) -> Comments:
    """What the comments of a file say; `found` is the outline of the text where it is known already."""
    if not mentioned(text):
        return Comments()
    from threadlint.facts.outline import outline  # noqa: PLC0415 what is remembered has been scanned

    lines = found or outline(text)
    suppressions: list[Suppression] = []
    annotations: list[Annotation] = []
    for comment in lines.comments:
        words = text[comment.start : comment.end]
        if _MENTION.search(words):
            suppressions.extend(_suppressions(words, comment, lines))
            annotations.extend(_annotations(words, comment, lines))
    return Comments(tuple(suppressions), tuple(annotations))


def _suppressions(words: str, comment: Comment, found: Outline) -> Iterator[Suppression]:
    alone = comment.first == comment.start
    for match in _NOQA_FILE.finditer(words) if alone else ():
        yield _suppression(match, "noqa", comment, found, whole=True)
    for match in _NOQA.finditer(words):
        yield _suppression(match, "noqa", comment, found, whole=False)
    for match in _IGNORE.finditer(words):
        yield _suppression(match, "ignore", comment, found, whole=match["file"] is not None)


def _suppression(
    match: re.Match[str], kind: Literal["noqa", "ignore"], comment: Comment, found: Outline, *, whole: bool
) -> Suppression:
    codes = match["codes"]
    reason = _REASON.match(match.string, match.end())
    line, column = found.place(comment.start + match.start())
    return Suppression(
        line=line,
        column=column,
        end_column=column + match.end() - match.start(),
        first=1 if whole else found.place(comment.near if kind == "noqa" else comment.first)[0],
        last=END_OF_FILE if whole else line if kind == "noqa" else found.place(comment.last)[0],
        codes=tuple(code.upper() for code in re.split(r"[,\s]+", codes or "") if code),
        blanket=codes is None,
        kind=kind,
        reason=_bare(reason[1]) if reason else "",
    )


def _bare(reason: str) -> str:
    """A reason without the parentheses around it."""
    text = reason.strip()
    return text[1:-1].strip() if text.startswith("(") and text.endswith(")") else text


def _annotations(words: str, comment: Comment, found: Outline) -> Iterator[Annotation]:
    for match in _ANNOTATION.finditer(words):
        guarded = match[1].lower().startswith("guarded")
        line, _ = found.place(comment.start)
        yield Annotation(line, "guarded-by" if guarded else "requires-lock", match[2].rstrip("."))
