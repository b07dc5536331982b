"""Which rules run: defaults, prefixes, the narrower code, and hints at unknown codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from threadlint.config import Config
from threadlint.rules.rule import rule
from threadlint.selection import ignored_in_file, selected, unknown_codes


def made(code, name, *, default=True):
    def check(_project):
        yield from ()

    check.__name__ = name
    return rule(code, since="0.1", default=default)(check)


RULES = {
    one.code: one
    for one in (
        made("TL101", "lost_update"),
        made("TL102", "odd_guard", default=False),
        made("TL301", "discarded_future"),
    )
}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "TL101 TL301"),
        ({"select": ("TL1",)}, "TL101 TL102"),
        ({"select": ("ALL",)}, "TL101 TL102 TL301"),
        ({"select": ("TL",), "ignore": ("TL102",)}, "TL101 TL301"),
        ({"select": ("TL102",), "ignore": ("TL1",)}, "TL102"),
        ({"select": ("TL101",), "ignore": ("TL101",)}, ""),
        ({"extend_select": ("TL102",)}, "TL101 TL102 TL301"),
        ({"ignore": ("TL1",)}, "TL301"),
        ({"ignore": ("ALL",)}, ""),
        ({"ignore": ("ALL",), "extend_select": ("TL301",)}, "TL301"),
    ],
)
def test_the_narrower_code_wins(settings, expected):
    chosen = selected(Config(**settings), RULES)
    assert " ".join(one.code for one in chosen) == expected


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("TL1O1", "unknown code `TL1O1`: did you mean TL101?"),
        ("tl101", "unknown code `tl101`: did you mean TL101?"),
        ("discarded-future", "unknown code `discarded-future`: the rule of this name is TL301"),
        ("discard-future", "unknown code `discard-future`: did you mean TL301?"),
        ("E501", "unknown code `E501`; `threadlint rules` lists the codes"),
        ("", "unknown code ``; `threadlint rules` lists the codes"),
    ],
)
def test_unknown_codes_come_with_a_hint(code, message):
    config = Config(select=("TL1", "ALL"), per_file_ignores=(("*.py", (code,)),))
    (unknown,) = unknown_codes(config, lambda: RULES)
    assert (unknown.key, unknown.code) == ("per-file-ignores", code)
    assert unknown.message.startswith(message)


def test_per_file_ignores_match_paths_from_the_root():
    config = Config(root=Path("/p"), per_file_ignores=(("tests/*", ("TL3",)), ("conftest.py", ("TL1", "TL2"))))
    assert ignored_in_file(Path("/p/tests/test_a.py"), config) == ("TL3",)
    assert ignored_in_file(Path("/p/tests/conftest.py"), config) == ("TL3", "TL1", "TL2")
    assert ignored_in_file(Path("/p/src/tests.py"), config) == ()
    assert ignored_in_file(Path("/elsewhere/tests/test_a.py"), config) == ()
