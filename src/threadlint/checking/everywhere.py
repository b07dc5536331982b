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
from threadlint.facts.source import python_tree
from threadlint.knowledge.clocks import NEGATIVE_RAISES
from threadlint.knowledge.containers import VIEWS
from threadlint.knowledge.loops import TASK_METHODS, TASK_NAMES

OFF = frozenset({"TL712"})
"""Those of the rules that run only where somebody names them."""

_NAMES = re.compile(rf"(?<![a-z])(?:{'|'.join(sorted(TASK_NAMES))})s?(?![a-z])", re.IGNORECASE)
_FOR = re.compile(r"^[ \t\f]*for\b((?s:.)*?)\bin\b", re.MULTILINE)
_WORD = re.compile(r"\w+")
_CALL = re.compile(r"\b(\w+)[\s\\]*\(")
_RUN = re.compile(rf"\b(?:await|next|yield[\s\\]+from)\b|\.[\s\\]*(?:{'|'.join(sorted(TASK_METHODS))})\b")
_THROUGH = VIEWS | {"enumerate", "iter", "super"}
"""The calls through which a loop still goes through the container itself."""
_WAITS = "|".join(sorted({name.rpartition(".")[2] for name in NEGATIVE_RAISES if name.partition(".")[0] in HARMLESS}))
"""The waits of NEGATIVE_RAISES that need no other module than such as are no word of concurrency."""
_WAIT = re.compile(rf"\b(?:{_WAITS})\b")
_LENT = re.compile(
    rf"^(?![ \t]*(?:from[ \t]+[\w.]+[ \t]+)?import\b(?!.*\bas\b)).*\b(?:{_WAITS})\b(?!\s*\()|\bas\s+(?:{_WAITS})\b",
    re.MULTILINE,
)


def may_match(text: str, config: Config) -> bool:
    """Whether a rule that runs everywhere may say something of the file, which Python's parser can read."""
    return any(test(text) for code, test in TESTS.items() if code not in OFF or config.asks_for(code))


def lends(text: str) -> bool:
    """Whether a wait may get another name here, under which other files can call it."""
    return _WAIT.search(text) is not None and _LENT.search(text) is not None


def _removes_from_tasks(text: str) -> bool:
    """TL710: a `for` loop that goes through a container and removes or calls something; the items do what tasks do, or something is called as tasks are."""
    if "for" not in text or not (_NAMES.search(text) or _RUN.search(text) or _calls_an_item(text)):
        return False
    try:
        nodes = list(ast.walk(python_tree(text)))
    except (SyntaxError, ValueError):
        return False
    except (RecursionError, MemoryError):
        return True
    loops = [node for node in nodes if isinstance(node, ast.For) and _goes_through(node.iter) and _changes(node)]
    return bool(loops) and (any(map(_NAMES.search, _names(nodes))) or any(map(_runs, loops)))


def _calls_an_item(text: str) -> bool:
    """Whether the variable of a loop is called somewhere."""
    items = {name for target in _FOR.findall(text) for name in _WORD.findall(target)}
    return bool(items) and not items.isdisjoint(_CALL.findall(text))


def _names(nodes: list[ast.AST]) -> Iterator[str]:
    """What can name a container in this file."""
    for node in nodes:
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield node.name


def _goes_through(value: ast.expr) -> bool:
    """Whether the items of the loop may come from a container that has a name, one by one."""
    if isinstance(value, ast.Call):
        callee = value.func
        name = callee.id if isinstance(callee, ast.Name) else callee.attr if isinstance(callee, ast.Attribute) else ""
        return name in _THROUGH
    return isinstance(value, (ast.Name, ast.Attribute, ast.Subscript, ast.NamedExpr))


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


def _waits_by_difference(text: str) -> bool:
    """TL711: a wait; how long it takes may be reckoned elsewhere."""
    return _WAIT.search(text) is not None


def _loops_until(text: str) -> bool:
    """TL712: a `while` loop, and a sum for the deadline."""
    return "while" in text and "+" in text


TESTS: Mapping[str, Callable[[str], bool]] = {
    "TL710": _removes_from_tasks,
    "TL711": _waits_by_difference,
    "TL712": _loops_until,
}
