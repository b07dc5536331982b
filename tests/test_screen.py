"""The quick look at a text: it never hides a finding, and most code that has nothing to do with threads does not pass."""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path

import pytest

from support import ROOT, Folder
from threadlint import engine
from threadlint.checking.parts import Part
from threadlint.config import Config
from threadlint.facts import screen
from threadlint.facts.screen import concerns
from threadlint.knowledge.containers import POSTING
from threadlint.knowledge.stdlib import LOCKISH_NAMES
from threadlint.rules.rule import all_rules

LIBRARY = Path(sysconfig.get_path("stdlib"))
FIXTURES = sorted(path for path in (ROOT / "fixtures").glob("TL*/*") if path.suffix == ".py" or path.is_dir())

EVERYWHERE = {rule.code for rule in all_rules().values() if rule.everywhere} | {"TL001"}
"""Rules that need no such word; what TL001 says of comments is not asked of the project."""


def texts(fixture: Path) -> list[str]:
    paths = [fixture] if fixture.suffix == ".py" else sorted(fixture.rglob("*.py"))
    return [path.read_text(encoding="utf-8", errors="replace") for path in paths]


def by_patterns(text: str) -> bool:
    """What `concerns` says, in words of patterns alone, which is ten times slower."""
    words = re.compile(rf"[Tt][Hh][Rr][Ee][Aa][Dd]|\b(?:{'|'.join(POSTING | set(screen._SYNTAX))})\b")
    modules = re.compile(rf"\b(?:{'|'.join(screen._modules())})\b")
    names = re.compile(rf"\w*(?:{'|'.join(LOCKISH_NAMES)})\w*", re.IGNORECASE)
    return (
        words.search(text) is not None
        or any(screen.lockish(name) for name in names.findall(text))
        or any(modules.search(said) for said in screen._IMPORT.findall(text))
    )


def without_comments(text: str) -> str:
    """A word in a comment of a fixture must not be what lets it pass."""
    return "\n".join(line.partition("#")[0] for line in text.splitlines())


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_fixture_with_a_finding_passes(fixture):
    found = texts(fixture)
    if fixture.parent.name not in EVERYWHERE and any("# expect: TL" in text for text in found):
        assert any(concerns(without_comments(text)) for text in found)


@pytest.mark.parametrize("rule", all_rules().values(), ids=lambda rule: rule.code)
def test_every_example_with_a_finding_passes(rule):
    if rule.code not in EVERYWHERE:
        assert concerns(without_comments(rule.example("Example")))


def test_the_findings_are_the_same_without_the_screen(monkeypatch):
    config = Config(root=ROOT, select=("ALL",))
    paths = [
        str(ROOT / "fixtures"),
        *(str(LIBRARY / name) for name in ("queue.py", "json", "colorsys.py", "bisect.py")),
    ]
    screened = engine.lint(paths, config)
    monkeypatch.setattr(Part, "concerned", True)
    assert engine.lint(paths, config).findings == screened.findings
    assert len(screened.findings) > 100


def test_files_that_say_nothing_of_threads_are_not_linked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Folder(tmp_path).write({"a.py": "import b\nb.total += len(b.rows)\n", "b.py": "rows = []\ntotal = 0\n"})
    seen = []
    monkeypatch.setattr("threadlint.project.project.link", lambda files, _: seen.append(files))
    report = engine.lint(["."], Config(root=tmp_path, ignore=tuple(EVERYWHERE)))
    assert (report.findings, report.failures, seen) == ((), (), [])


@pytest.mark.parametrize(
    "text",
    [
        "see http://example.org\n",
        "def unlock(block): return block.ed\n",
        "import os, sys, time\n",
        "x = 'blocks'\n",
        "select = requests = []  # http, queue\n",
    ],
)
def test_ordinary_words_do_not_pass(text):
    assert not concerns(text)


@pytest.mark.parametrize(
    "text",
    [
        "from asyncio import run\n", "import os\nos.fork()\n", "async def f(): pass\n", "with self._mutex: pass\n", "import http.server\n",
        "loop.call_soon_threadsafe(f)\n", "from flask import Flask\n", "class A(QThread): pass\n",
        "try: import queue\nexcept: pass\n", "from six.moves import (\n    reduce,  # (a fold)\n    queue,\n)\n", "import os, \\\n    select\n",
    ],
)  # fmt: skip
def test_words_of_concurrency_pass(text):
    assert concerns(text)


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_patterns_say_the_same_of_every_part_of_a_fixture(fixture):
    for text in texts(fixture):
        lines = text.splitlines(keepends=True)
        for part in (text, *("".join(lines[first : first + 3]) for first in range(0, len(lines), 3))):
            assert concerns(part) == by_patterns(part), part


@pytest.mark.parametrize(
    "text",
    [
        "", "\n", "x.lo\u212a", "lo\u212a", "LOC\u212a = 1\n", "gu\u00e4rd", "\u00e9lock", "s\u0131gnal", "awa\u0130t", "\u017felect = 1",
        "import \u017felect\n", "import select\u00e9\n", "\u00e9; import select\n", "import a as select\\\n", "import a, \\\r\n select",
        "from a import (b, # select)\n c)\nselect", "import a (b : import c) select\n", "\x1cimport select", "x\x1cselect\x1c", "THREAD",
        "tHrEaD\u00e9", "async\u00e9 await_ _fork", "a\u2028import queue", "if x: import queue", "if x:\f\timport queue", "importqueue",
    ],
)  # fmt: skip
def test_patterns_say_the_same_of_odd_texts(text):
    assert concerns(text) == by_patterns(text)
