"""Every fix that is offered in any fixture works: it compiles, its finding is gone, none is new, and nothing is left to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support import ROOT
from threadlint.cache.store import MemoryStore
from threadlint.config import Config
from threadlint.engine import lint
from threadlint.findings import Report
from threadlint.fixes.offers import offered
from threadlint.fixes.rounds import fix
from threadlint.rules.rule import all_rules

FIXTURES = ROOT / "fixtures"
CASES = sorted(
    case
    for folder in FIXTURES.iterdir()
    if re.fullmatch(r"TL\d{3}|material", folder.name)
    for case in folder.iterdir()
    if case.suffix == ".py" or (case.is_dir() and case.name != "__pycache__")
)
REASONS = {f"{code} would be found instead" for code in all_rules()}


def linting(case: Path):
    """A function that lints the case with other contents of its files."""
    files = [str(file) for file in ([case] if case.is_file() else sorted(case.rglob("*.py")))]
    config = Config(root=case if case.is_dir() else case.parent, select=("ALL",))
    remembered = MemoryStore()

    def run(changed) -> Report:
        return lint(files, config, store=remembered, changed=changed)

    return run


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.relative_to(FIXTURES).as_posix())
def test_every_fix_in_a_fixture_works_and_fixing_comes_to_an_end(case: Path) -> None:
    run = linting(case)
    findings = [one for one in offered(run({})).findings if one.fix]
    fixed = fix(run, unsafe=True)
    # What another rule has against a change is for that rule to say; it is not made then.
    assert [
        one.reason
        for one in fixed.refusals
        if one.reason not in REASONS - {f"{one.finding.code} would be found instead"}
    ] == []
    assert fixed.settled
    assert bool(fixed.fixed or fixed.refusals) == bool(findings)
    refused = {(one.finding.code, one.finding.message) for one in fixed.refusals}
    left = [one for one in offered(fixed.report).findings if one.fix and (one.code, one.message) not in refused]
    assert left == []
    for path, data in fixed.after.items():
        assert data != fixed.before[path]
        compile(data, path, "exec")


@pytest.mark.parametrize("code", all_rules())
def test_a_page_says_which_fixes_there_are(code: str) -> None:
    findings = [
        one
        for case in CASES
        if case.parent.name == code
        for one in offered(linting(case)({})).findings
        if one.code == code and one.fix
    ]
    found = {"safe" if one.fix.safe else "unsafe" for one in findings}
    assert found == set(all_rules()[code].fixes)
