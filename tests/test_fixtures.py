"""Fixtures and the examples of rule pages: reported exactly where they are marked, silent elsewhere."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from support import ROOT
from threadlint.cli.marks import Kind, marks
from threadlint.config import FILE_NAME, Config, load
from threadlint.engine import lint
from threadlint.findings import Report
from threadlint.rules.rule import all_rules

FIXTURES = ROOT / "fixtures"
CASES = sorted(
    case
    for folder in FIXTURES.iterdir()
    if re.fullmatch(r"TL\d{3}|material", folder.name)
    for case in folder.iterdir()
    if case.suffix == ".py" or (case.is_dir() and case.name != "__pycache__")
)
REPORTED = {Kind.EXPECT, Kind.FALSE_ALARM}


def found(report: Report, code: str | None) -> Counter[tuple[str, int, str]]:
    """How often each code is reported on each line; `code` limits it to one."""
    assert report.failures == ()
    sites = ((finding.site.path, finding.site.line, finding.code) for finding in report.findings)
    return Counter(site for site in sites if code in {None, site[2]})


def marked(texts: dict[str, str], code: str | None) -> Counter[tuple[str, int, str]]:
    """The same, as the marks in `texts` promise it."""
    return Counter(
        (path, mark.line, mark.code)
        for path, text in texts.items()
        for mark in marks(text)
        if mark.kind in REPORTED and code in {None, mark.code}
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.relative_to(FIXTURES).as_posix())
def test_a_fixture_is_reported_where_it_is_marked(case: Path) -> None:
    files = [case] if case.is_file() else sorted(case.rglob("*.py"))
    code = None if case.parent.name == "material" else case.parent.name
    root = case if case.is_dir() else case.parent
    settings = root / FILE_NAME
    config = load(settings) if settings.is_file() else Config(root=root)
    report = lint([str(file) for file in files], replace(config, select=("ALL",)))
    texts = {str(file): file.read_bytes().decode("utf-8", "replace") for file in files}
    assert found(report, code) == marked(texts, code)


def test_every_rule_has_fixtures() -> None:
    assert {code for code in all_rules() if not any((FIXTURES / code).glob("*"))} == set()


@pytest.mark.parametrize("heading", ["Example", "Use instead"])
@pytest.mark.parametrize("code", all_rules())
def test_the_examples_of_a_page_are_true(code: str, heading: str, tmp_path: Path) -> None:
    text = all_rules()[code].example(heading)
    name = str(tmp_path / "example.py")
    report = lint((), Config(root=tmp_path, select=("ALL",)), stdin=(name, text.encode()))
    promised = marked({name: text}, code)
    assert found(report, code) == promised
    assert bool(promised) == (heading == "Example")
