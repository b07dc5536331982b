"""What a rule is: a generator function over the project, with its documentation page as its docstring."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from inspect import cleandoc
from typing import TYPE_CHECKING

from threadlint.findings import Confidence, Oracle, Problem, Severity

if TYPE_CHECKING:
    from threadlint.project.project import Project

URL = "https://github.com/threadlint/threadlint/blob/main/docs/rules/{code}.md"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its code and name, how sure and how bad its findings are, its page, and its check."""

    code: str
    name: str
    check: Callable[[Project], Iterator[Problem]]
    page: str
    since: str
    severity: Severity
    confidence: Confidence
    oracle: Oracle | None
    default: bool
    free_threaded: bool = False
    """whether it is on, though off by default, where the code also runs on free-threaded builds"""
    everywhere: bool = False
    """whether it has something to say of files, too, in which no word of concurrency is; see `facts.screen`"""

    @property
    def title(self) -> str:
        """The first sentence of the page."""
        return self.page.partition("\n")[0].strip()

    @property
    def url(self) -> str:
        """Where the page can be read."""
        return URL.format(code=self.code)

    @property
    def fixes(self) -> tuple[str, ...]:
        """Which kinds of fixes the findings can have, by the section "Fix" of the page: `safe`, `unsafe`, both or none."""
        said = self.section("Fix").casefold()
        return tuple(kind for kind in ("safe", "unsafe") if re.search(rf"\b{kind}\b", said))

    @property
    def family(self) -> str:
        """The folder of the rule, such as `races`."""
        return self.check.__module__.split(".")[-2]

    def section(self, heading: str) -> str:
        """The text below `## heading` of the page, empty where there is none."""
        found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", self.page, re.MULTILINE | re.DOTALL)
        return found[1].strip("\n") if found else ""

    def example(self, heading: str) -> str:
        """The first Python program below `## heading`."""
        found = re.search(r"```python\n(.*?)```", self.section(heading), re.DOTALL)
        return found[1] if found else ""


def rule(
    code: str,
    *,
    since: str,
    severity: Severity = Severity.ERROR,
    confidence: Confidence = Confidence.HIGH,
    oracle: Oracle | None = None,
    default: bool = True,
    free_threaded: bool = False,
    everywhere: bool = False,
) -> Callable[[Callable[[Project], Iterator[Problem]]], Rule]:
    """Make a rule of a generator function; its name is the rule's name, its docstring the rule's page."""

    def make(check: Callable[[Project], Iterator[Problem]]) -> Rule:
        name = check.__name__.replace("_", "-")
        page = cleandoc(check.__doc__ or "")
        return Rule(code, name, check, page, since, severity, confidence, oracle, default, free_threaded, everywhere)

    return make


@cache
def all_rules() -> dict[str, Rule]:
    """Every rule by code, in the order of the codes; found by looking into the folders beside this file."""
    package = importlib.import_module("threadlint.rules")
    found: dict[str, Rule] = {}
    for module in pkgutil.walk_packages(package.__path__, "threadlint.rules."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Rule):
                found[value.code] = value
    return dict(sorted(found.items()))
