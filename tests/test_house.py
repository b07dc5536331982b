"""The house rules: imports point down, one room touches LibCST, files stay short, and rules are complete."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import ROOT
from threadlint.rules.rule import Rule, all_rules

SOURCE = ROOT / "src" / "threadlint"
FILES = sorted(SOURCE.rglob("*.py"))

ROOMS = (
    "changes",
    "findings",
    "knowledge",
    "config",
    "discovery",
    "modules",
    "facts",
    "project",
    "rules",
    "selection",
    "suppress",
    "cache",
    "loading",
    "checking",
    "engine",
    "report",
    "fixes",
    "runtime",
    "proving",
)
FLOORS = ("names", "locks", "bodies", "roots", "queues", "signals", "races", "deadlocks")
"""The folders of `project`, each of which may import those before it."""
DOORS = {"flake8_plugin", "pytest_plugin", "cli", "__main__"}
"""Rooms that may import every other; nothing imports them but each other."""
INJECTED = SOURCE / "runtime" / "injected"
"""A package of its own, which runs where threadlint is not installed."""
CST_ROOMS = {"facts", "fixes"}
LONGEST = 450
SECTIONS = ("Why is this bad?", "Example", "Use instead", "Fix", "Known limits")


def shown(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def room(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").parts[0]


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """The modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            assert path.is_relative_to(INJECTED), f"{shown(path)}:{node.lineno}: a relative import"
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def test_every_file_is_in_a_room():
    assert {room(path) for path in FILES} <= {*ROOMS, *DOORS, "__init__"}


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_imports_point_down(path):
    here = room(path)
    if here in DOORS:
        allowed = {*ROOMS, *DOORS}
    elif here == "runtime":
        # The analysis and the run must be able to contradict each other.
        allowed = {"changes", "findings", "runtime"}
    else:
        allowed = set(ROOMS[: ROOMS.index(here) + 1]) if here in ROOMS else set()
    wrong = [
        f"{shown(path)}:{line}: {name}"
        for line, name in imports(path)
        if re.match(r"threadlint\.", name) and name.split(".")[1] not in {*allowed, "__version__"}
    ]
    assert wrong == []


@pytest.mark.parametrize("path", sorted((SOURCE / "project").glob("*/*.py")), ids=shown)
def test_floors_of_the_project_import_down(path):
    allowed = FLOORS[: FLOORS.index(path.parent.name) + 1]
    wrong = [
        f"{shown(path)}:{line}: {name}"
        for line, name in imports(path)
        if name.startswith("threadlint.project.") and name.split(".")[2] not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_only_facts_and_fixes_touch_libcst(path):
    if room(path) not in CST_ROOMS:
        assert [line for line, name in imports(path) if name.split(".")[0] == "libcst"] == []


@pytest.mark.parametrize("path", sorted(INJECTED.rglob("*.py")), ids=shown)
def test_what_is_injected_needs_the_standard_library_only(path):
    own = {folder.name for folder in INJECTED.iterdir()} | {file.stem for file in INJECTED.glob("*.py")}
    needed = {name.split(".")[0] for _, name in imports(path)}
    assert needed - own - sys.stdlib_module_names == set()


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_files_are_short_and_say_what_they_do(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST
    assert text == "" or ast.get_docstring(ast.parse(text)), "no docstring"


def test_nothing_names_a_workplace():
    """The project speaks of itself: no paths of somebody's machine in what is shipped."""
    told = re.compile(r"/root/|/home/\w+/|/tmp/\w+venv")
    texts = [*FILES, *sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "pyproject.toml"]
    assert [str(path) for path in texts if told.search(path.read_text(encoding="utf-8"))] == []


def test_codes_and_names_are_unique():
    found = [
        value
        for path in sorted((SOURCE / "rules").glob("*/*.py"))
        for value in vars(__import__(f"threadlint.rules.{path.parent.name}.{path.stem}", fromlist=["*"])).values()
        if isinstance(value, Rule)
    ]
    assert len(found) == len({rule.code for rule in found}) == len({rule.name for rule in found}) == len(all_rules())


@pytest.mark.parametrize("rule", all_rules().values(), ids=lambda rule: rule.code)
def test_a_rule_has_a_complete_page_and_its_place(rule):
    assert re.fullmatch(r"TL\d{3}", rule.code)
    assert rule.title.endswith(".")
    headings = re.findall(r"^## (.+)$", rule.page, re.MULTILINE)
    wanted = [heading for heading in SECTIONS if heading != "Fix" or "Fix" in headings]
    for heading in wanted:
        assert rule.section(heading).strip(), f"no section {heading}"
    assert [heading for heading in headings if heading in SECTIONS] == wanted
    assert bool(rule.fixes) == ("Fix" in headings), "the section says of no fix whether it is safe"
    for heading in ("Example", "Use instead"):
        compile(rule.example(heading), heading, "exec")
        assert rule.example(heading), f"no program in {heading}"
    file = rule.check.__name__
    assert rule.name == file.replace("_", "-")
    assert rule.check.__module__ == f"threadlint.rules.{rule.family}.{file}"
    assert re.fullmatch(r"\d+\.\d+", rule.since)
