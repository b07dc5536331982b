"""Every rule page that has an oracle: the wrong example is confirmed where it says so, the right one is not."""

from __future__ import annotations

import difflib

import pytest

from threadlint.findings import Site
from threadlint.rules.rule import all_rules
from threadlint.runtime.confirm import attempt
from threadlint.runtime.trial import Options, Program, Trial
from threadlint.runtime.verdict import Tier

NO_STATEMENT = {"TL102"}
"""The example of this page loops over what another thread may change: no statement there is an update."""
RULES = [rule for rule in all_rules().values() if rule.oracle is not None and rule.code not in NO_STATEMENT]


def attempt_line(rule, path, line, bench):
    trial = Trial(rule.code, rule.name, rule.oracle, Site(str(path), line, 0, line, 0))
    return attempt(Program(path), trial, Options(bench.python))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_examples_of_a_page(rule, bench):
    wrong, right = rule.example("Example"), rule.example("Use instead")
    mark = f"# expect: {rule.code}"
    lines = [number for number, text in enumerate(wrong.splitlines(), 1) if mark in text]
    assert lines
    path = bench.write(wrong, "wrong.py")
    verdict = attempt_line(rule, path, lines[0], bench)
    assert verdict.tier is Tier.CONFIRMED, verdict

    text = wrong.splitlines()[lines[0] - 1].partition("#")[0].strip()
    near = difflib.get_close_matches(text, [one.strip() for one in right.splitlines()], 1, 0.0)[0]
    line = next(number for number, one in enumerate(right.splitlines(), 1) if one.strip() == near)
    verdict = attempt_line(rule, bench.write(right, "right.py"), line, bench)
    # The right form may have no statement left that could be split.
    assert verdict.tier in {Tier.NOT_CONFIRMED, Tier.NOT_EXERCISED, Tier.CANNOT_RUN}, verdict
