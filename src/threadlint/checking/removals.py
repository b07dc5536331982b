"""What TL710 asks of files before it can say anything: a loop over something like tasks, and a removal in it or in a function that it calls.

Each question follows from one of the rule, and is asked of the text or the syntax tree, by names alone: two things of one name are taken for
one, and what is called by a name that may stand for anything is taken for what removes. Nearly all loops fail at the first questions.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from threadlint.facts.source import python_tree
from threadlint.knowledge.containers import REMOVING, VIEWS
from threadlint.knowledge.loops import TASK_METHODS, TASK_NAMES

_NAMES = re.compile(rf"(?<![a-z])(?:{'|'.join(sorted(TASK_NAMES))})s?(?![a-z])", re.IGNORECASE)
_THROUGH = VIEWS | {"enumerate", "iter", "super"}
"""The calls through which a loop still goes through the container itself."""
_HEADER = re.compile(r"^[ \t\f]*for\b((?s:.)*?)\bin\b[ \t]*([^\n]*)", re.MULTILINE)
_NO_CONTAINER = re.compile(rf"[\[{{\"'\d]|(?:\w+\.)*(?!(?:{'|'.join(sorted(_THROUGH))})\b)\w+\(")
"""How an expression begins whose items come from no container that has a name: a display, or another call."""
_WORD = re.compile(r"\w+")
_USE = re.compile(rf"\b(\w+)[\s\\]*(?:\(|\.[\s\\]*(?:{'|'.join(sorted(TASK_METHODS))})\b)")
_NEXT = re.compile(r"\bnext[\s\\]*\([\s\\(]*(\w+)")
_DELEGATES = re.compile(r"\byield[\s\\]+from\b")
_TAKES = REMOVING - {"clear"}
_PLAIN = frozenset({"staticmethod", "classmethod", "abstractmethod", "override", "final", "overload"})
"""Decorators after which a name still means the function."""
_ANYTHING = ""
"""Stands for the name of what is called by no name."""
_LAMBDA = "<lambda>"


def goes_through_tasks(text: str) -> bool:
    """Whether the text may have a loop over something like tasks; a quick look, before it is parsed."""
    if "for" not in text:
        return False
    targets = [target for target, value in _HEADER.findall(text) if not _NO_CONTAINER.match(value)]
    if not targets:
        return False
    lowered = text.lower()
    if any(name in lowered for name in TASK_NAMES) and _NAMES.search(text):
        return True
    items = {name for target in targets for name in _WORD.findall(target)}
    if "yield" in text and _DELEGATES.search(text):
        return True
    return not items.isdisjoint(_USE.findall(text)) or ("next" in text and not items.isdisjoint(_NEXT.findall(text)))


def may_remove(text: str, around: Removers) -> bool:
    """Whether TL710 may say something of the file; `around` are the functions of all files that imports connect with it."""
    if not goes_through_tasks(text):
        return False
    tree = _parsed(text)
    if tree is None:
        return True
    nodes = list(_walk(tree))
    loops = [node for node in nodes if isinstance(node, ast.For) and _goes_through(node.iter)]
    names = _Names(nodes)
    for loop in loops:
        body = [node for statement in loop.body for node in _walk(statement)]
        takes = any(map(_takes, body))
        calls = [node for node in body if isinstance(node, ast.Call)]
        if (takes or calls) and (names.are_of_tasks(loop.iter) or _runs(loop, body)):
            reaching = set() if takes else names.reaching(loop.iter, calls)
            if takes or (reaching and around.any_of(reaching)):
                return True
    return False


@dataclass(frozen=True)
class Removers:
    """The functions in some texts that remove something."""

    texts: Callable[[], Iterable[str]]

    def any_of(self, called: set[str]) -> bool:
        """Whether one of these names may stand for such a function."""
        if _ANYTHING in called:
            return True
        for text in self.texts():
            if _gives(text, called):
                tree = _parsed(text)
                if tree is None:
                    return True
                found = _Functions()
                found.add(tree)
                if not called.isdisjoint(found.removing | found.unclear | found.classes):
                    return True
        return False


def _gives(text: str, names: set[str]) -> bool:
    """Whether one of the names may be given to something here; most are only called, or stand in prose."""
    here = [name for name in names if name in text]
    if not here:
        return False
    one = rf"\b(?:{'|'.join(map(re.escape, here))})\b"
    return re.search(rf"\b(?:def|class|as)[\s\\]+{one}|{one}[\s\\]*(?:[^\s\w.(\"'\\`]|in\b)", text) is not None


@dataclass(slots=True)
class _Functions:
    """The names of functions that remove something, of classes, and those that may stand for any function."""

    removing: set[str] = field(default_factory=set)
    unclear: set[str] = field(default_factory=set)
    classes: set[str] = field(default_factory=set)

    def add(self, tree: ast.AST) -> None:
        """Add those of a file."""
        waiting: list[tuple[ast.AST, tuple[str, ...]]] = [(tree, ())]
        while waiting:
            node, functions = waiting.pop()
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                functions = (*functions, node.name)
            elif isinstance(node, ast.Lambda):
                functions = (*functions, _LAMBDA)
            elif isinstance(node, ast.ClassDef):
                self.classes.add(node.name)
            elif functions and _takes(node):
                self.removing.update(functions)
            unclear = _unclear(node)
            if unclear:
                self.unclear.add(unclear)
            waiting.extend([(inner, functions) for inner in _inside(node)])


@dataclass(frozen=True)
class _Names:
    """Of what the names in a file are other names, and which of them a function can know that is not given them."""

    nodes: Sequence[ast.AST]

    def are_of_tasks(self, container: ast.expr) -> bool:
        """Whether the container is called as those of tasks are, or what it is another name of."""
        return any(_NAMES.search(_name(node)) for node in self._meant(container))

    def reaching(self, container: ast.expr, calls: Iterable[ast.Call]) -> set[str]:
        """The names of what is called and can reach the container: it is given it or the object that has it, or knows it."""
        variables = self._variables(container)
        anybody = not variables.isdisjoint(self._outer)
        return {
            _called(call.func)
            for call in calls
            if anybody
            or _called(call.func) in self._functions  # they may see the variables around them
            or not variables.isdisjoint(self._variables(call))
        }

    def _variables(self, value: ast.AST) -> set[str]:
        return {node.id for node in self._meant(value) if isinstance(node, ast.Name)}

    def _meant(self, value: ast.AST) -> Iterator[ast.AST]:
        """The nodes of the expression, and of all that its names are other names of."""
        waiting: list[ast.AST] = [value]
        passed: set[str] = set()
        while waiting:
            for node in _walk(waiting.pop()):
                yield node
                if isinstance(node, ast.Name) and node.id not in passed:
                    passed.add(node.id)
                    waiting.extend(self._sources.get(node.id, ()))

    @cached_property
    def _functions(self) -> set[str]:
        return {node.name for node in self.nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}

    @cached_property
    def _outer(self) -> set[str]:
        """The names outside of functions."""
        found: set[str] = set()
        for node in self.nodes:
            if isinstance(node, (ast.Global, ast.Nonlocal)):
                found.update(node.names)
            elif isinstance(node, ast.alias):
                found.add(node.asname or node.name.partition(".")[0])
        outside: list[ast.AST] = [node for node in self.nodes if isinstance(node, ast.Module)]
        while outside:
            node = outside.pop()
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, ast.Name):
                found.add(node.id)
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                outside += _inside(node)
        return found

    @cached_property
    def _sources(self) -> dict[str, list[ast.AST]]:
        """By name: of what it is another name by an assignment or an import, wherever in the file."""
        found: dict[str, list[ast.AST]] = {}
        for node in self.nodes:
            if isinstance(node, ast.alias) and node.asname:
                found.setdefault(node.asname, []).append(node)
            elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
                values = node.value.elts if isinstance(node.value, (ast.Tuple, ast.List)) else [node.value]
                named = [one for one in values if isinstance(one, _NAMED)]
                for target in (node.targets if isinstance(node, ast.Assign) else [node.target]) if named else ():
                    for inner in _walk(target):
                        if isinstance(inner, ast.Name):
                            found.setdefault(inner.id, []).extend(named)
        return found


_NAMED = (ast.Name, ast.Attribute, ast.Subscript, ast.NamedExpr)


def _parsed(text: str) -> ast.Module | None:
    """None for what is nested too deeply; a text with mistakes is empty, as nobody asks what is found in it."""
    try:
        return python_tree(text)
    except (SyntaxError, ValueError):
        return ast.Module([], [])
    except (RecursionError, MemoryError):
        return None


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """As `ast.walk`, in another order and half the time."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += _inside(node)


def _inside(node: ast.AST) -> list[ast.AST]:
    found: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if type(value) is list:
            found += [one for one in value if isinstance(one, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def _goes_through(value: ast.expr) -> bool:
    """Whether the items of the loop may come from a container that has a name, one by one."""
    while isinstance(value, (ast.Attribute, ast.Subscript, ast.NamedExpr)):
        value = value.value
    if isinstance(value, ast.Call):
        return _called(value.func) in _THROUGH and _goes_through(value.args[0] if value.args else value.func)
    return isinstance(value, ast.Name)


def _called(callee: ast.expr) -> str:
    """The last name of what is called."""
    return _name(callee) or _ANYTHING


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.name if isinstance(node, ast.alias) else ""


def _takes(node: ast.AST) -> bool:
    """Whether something is removed here, by any name."""
    if isinstance(node, ast.Delete):
        return any(not isinstance(target, ast.Name) for target in node.targets)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _TAKES


def _runs(loop: ast.For, body: Sequence[ast.AST]) -> bool:
    """Whether the loop does with its items what is done with things that run."""
    items = {node.id for node in _walk(loop.target) if isinstance(node, ast.Name)}

    def item(node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id in items

    for node in body:
        if isinstance(node, (ast.Await, ast.YieldFrom)):
            if any(map(item, _walk(node))):
                return True
        elif isinstance(node, ast.Call):
            callee = node.func
            if item(callee) or (
                isinstance(callee, ast.Attribute) and callee.attr in TASK_METHODS and item(callee.value)
            ):
                return True
            if _called(callee) == "next" and node.args and any(map(item, _walk(node.args[0]))):
                return True
    return False


def _unclear(node: ast.AST) -> str | None:
    """The name that this node gives to anything: a variable, a parameter, an attribute, another name of what is imported, what is decorated."""
    if isinstance(node, (ast.Name, ast.Attribute)):
        return _name(node) if isinstance(node.ctx, ast.Store) else None
    if isinstance(node, ast.arg):
        return node.arg
    if isinstance(node, ast.alias):
        return node.asname
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        decorators = (one.func if isinstance(one, ast.Call) else one for one in node.decorator_list)
        return node.name if any(_called(one) not in _PLAIN for one in decorators) else None
    return node.name if isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) else None
