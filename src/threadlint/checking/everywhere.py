"""What a file must have in it before a rule that runs everywhere can say anything of it: by the rule's code, a quick test.

It is apart from the rules because to import them is to import the whole analysis. Each test follows from its rule: what the rule asks of the
very file that it reports on, and not of others, in files that have no word of concurrency.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from threadlint.checking.removals import Removers, may_remove
from threadlint.config import Config
from threadlint.facts.screen import HARMLESS
from threadlint.knowledge.clocks import CLOCKS, NEGATIVE_RAISES

OFF = frozenset({"TL712"})
"""Those of the rules that run only where somebody names them."""

_WAITS = sorted({name.rpartition(".")[2] for name in NEGATIVE_RAISES if name.partition(".")[0] in HARMLESS})
"""The waits of NEGATIVE_RAISES that need no other module than such as are no word of concurrency."""
_ANY = "|".join(_WAITS)
_WAIT = re.compile(rf"\b(?:{_ANY})\b")
_LENT = re.compile(
    rf"^(?![ \t]*(?:from[ \t]+[\w.]+[ \t]+)?import\b(?!.*\bas\b)).*\b(?:{_ANY})\b(?!\s*\()|\bas\s+(?:{_ANY})\b",
    re.MULTILINE,
)

_CLOCKS = {name.rpartition(".")[2] for name in CLOCKS}
_CLOCK = re.compile(
    rf"\b(?:{'|'.join(sorted(_CLOCKS - {'time'}))})\b"
    r"|\.[\s\\]*time\b|\bfrom[\s\\]+time[\s\\]+import\b[^\n]*(?:\btime\b|[(\\*])"
)
"""One of CLOCKS is named here; `time` is the module as well."""


def may_match(text: str, config: Config, around: Removers) -> bool:
    """Whether a rule that runs everywhere may say something of the file, which Python's parser can read.

    `around` are the functions of all files that imports connect with it.
    """
    return any(test(text, around) for code, test in TESTS.items() if code not in OFF or config.asks_for(code))


def lends(text: str) -> bool:
    """Whether a wait may get another name here, under which other files can call it."""
    return _has_wait(text) and _LENT.search(text) is not None


def _waits_by_difference(text: str, around: Removers) -> bool:
    """TL711: a wait, and somewhere a clock; how long to wait may be reckoned elsewhere."""
    return _has_wait(text) and any(map(_CLOCK.search, around.texts()))


def _has_wait(text: str) -> bool:
    return any(name in text for name in _WAITS) and _WAIT.search(text) is not None


def _loops_until(text: str, _around: Removers) -> bool:
    """TL712: a `while` loop, and a sum for the deadline."""
    return "while" in text and "+" in text


TESTS: Mapping[str, Callable[[str, Removers], bool]] = {
    "TL710": may_remove,
    "TL711": _waits_by_difference,
    "TL712": _loops_until,
}
