"""What a file must have in it before a rule that runs everywhere can say anything of it: by the rule's code, a quick test.

It is apart from the rules because to import them is to import the whole analysis. Each test follows from its rule: what the rule asks of the
very file that it reports on, and not of others, in files that have no word of concurrency.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping

from threadlint.config import Config
from threadlint.facts.screen import HARMLESS
from threadlint.knowledge.clocks import NEGATIVE_RAISES
from threadlint.knowledge.loops import TASK_METHODS, TASK_NAMES

OFF = frozenset({"TL712"})
"""Those of the rules that run only where somebody names them."""

_NAMES = re.compile(rf"(?<![a-z])(?:{'|'.join(sorted(TASK_NAMES))})s?(?![a-z])", re.IGNORECASE)
_WAITS = "|".join(sorted({name.rpartition(".")[2] for name in NEGATIVE_RAISES if name.partition(".")[0] in HARMLESS}))
"""The waits of NEGATIVE_RAISES that need no other module than such as are no word of concurrency."""
_WAIT = re.compile(rf"\b(?:{_WAITS})\b")
_LENT = re.compile(
    rf"^(?![ \t]*(?:from[ \t]+[\w.]+[ \t]+)?import\b(?!.*\bas\b)).*\b(?:{_WAITS})\b(?!\s*\()|\bas\s+(?:{_WAITS})\b",
    re.MULTILINE,
)


def may_match(text: str, tree: ast.AST, config: Config) -> bool:
    """Whether a rule that runs everywhere may say something of the file."""
    return any(test(text, tree) for code, test in TESTS.items() if code not in OFF or config.asks_for(code))


def lends(text: str) -> bool:
    """Whether a wait may get another name here, under which other files can call it."""
    return _LENT.search(text) is not None


def _removes_from_tasks(text: str, tree: ast.AST) -> bool:
    """TL710: a `for` loop that removes or calls something; the items do what tasks do, or something is called as tasks are."""
    named = _NAMES.search(text) is not None and any(_NAMES.search(name) for name in _names(tree))
    return any(
        isinstance(loop, ast.For) and _changes(loop) and (named or _runs(loop))
        for loop in (ast.walk(tree) if "for" in text else ())
    )


def _names(tree: ast.AST) -> Iterator[str]:
    """What can name a container in this file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield node.name


def _body(loop: ast.For) -> Iterator[ast.AST]:
    for statement in loop.body:
        yield from ast.walk(statement)


def _changes(loop: ast.For) -> bool:
    return any(isinstance(node, (ast.Call, ast.Delete)) for node in _body(loop))


def _runs(loop: ast.For) -> bool:
    names = {node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)}
    return any(
        isinstance(node, (ast.Await, ast.YieldFrom)) or (isinstance(node, ast.Call) and _calls(node.func, names))
        for node in _body(loop)
    )


def _calls(callee: ast.expr, names: set[str]) -> bool:
    if isinstance(callee, ast.Name):
        return callee.id == "next" or callee.id in names
    return (
        isinstance(callee, ast.Attribute)
        and callee.attr in TASK_METHODS
        and isinstance(callee.value, ast.Name)
        and callee.value.id in names
    )


def _waits_by_difference(text: str, tree: ast.AST) -> bool:
    """TL711: a wait; how long it takes may be reckoned elsewhere."""
    del tree
    return _WAIT.search(text) is not None


def _loops_until(text: str, tree: ast.AST) -> bool:
    """TL712: a `while` loop, and a sum for the deadline."""
    del tree
    return "while" in text and "+" in text


TESTS: Mapping[str, Callable[[str, ast.AST], bool]] = {
    "TL710": _removes_from_tasks,
    "TL711": _waits_by_difference,
    "TL712": _loops_until,
}
