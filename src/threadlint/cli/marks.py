"""Marks in fixtures: the comments that say what is reported on their line, and whether it should be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from threadlint.report.excerpt import source_lines


class Kind(str, Enum):
    """EXPECT: reported, rightly. MISSED: a mistake, not reported today. FALSE_ALARM: reported, wrongly."""

    EXPECT = "expect"
    MISSED = "missed"
    FALSE_ALARM = "false-alarm"


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """One code marked on one line; a code that is reported twice on a line is marked twice."""

    line: int
    code: str
    kind: Kind


_MARK = re.compile(rf"#\s*({'|'.join(kind.value for kind in Kind)}):\s*(TL\d+(?:\s*,\s*TL\d+)*)")


def marks(text: str) -> Iterator[Mark]:
    """The marks in `text`, such as `# expect: TL101, TL301` or `# missed: TL407`."""
    for number, line in enumerate(source_lines(text), start=1):
        for found in _MARK.finditer(line):
            for code in found[2].split(","):
                yield Mark(number, code.strip(), Kind(found[1]))


def marks_below(folder: Path) -> Iterator[Mark]:
    """The marks in all Python files below `folder`."""
    for path in sorted(folder.rglob("*.py")):
        yield from marks(path.read_bytes().decode("utf-8", "replace"))
