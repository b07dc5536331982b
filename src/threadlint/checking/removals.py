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
_HEADER = re.compile(r"\n[ \t\f]*for\b((?s:.)*?)\bin\b[ \t]*([^\n]*)")
_NO_CONTAINER = re.compile(rf"[\[{{\"'\d]|(?:\w+\.)*(?!(?:{'|'.join(sorted(_THROUGH))})\b)\w+\(")
"""How an expression begins whose items come from no container that has a name: a display, or another call."""
_WORD = re.compile(r"\w+")
_USE = re.compile(rf"\b(\w+)[\s\\]*(?:\(|\.[\s\\]*(?:{'|'.join(sorted(TASK_METHODS))})\b)")
_NEXT = re.compile(r"\bnext[\s\\]*\([\s\\(]*(\w+)")
_DELEGATES = re.compile(r"\byield[\s\\]+from\b")
_TAKES = REMOVING - {"clear"}
_TAKING = re.compile(rf"\bdel\b|\b(?:{'|'.join(sorted(_TAKES))})\b")
_PLAIN = frozenset({"staticmethod", "classmethod", "abstractmethod", "override", "final", "overload"})
"""Decorators after which a name still means the function."""
_ANYTHING = ""
"""Stands for the name of what is called by no name."""


def goes_through_tasks(text: str) -> bool:
    """Whether the text may have a loop over something like tasks; a quick look, before it is parsed."""
    if "for" not in text:
        return False
    targets = [target for target, value in _HEADER.findall("\n" + text) if not _NO_CONTAINER.match(value)]
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
    statements = list(_statements(tree))
    names = _Names(text, tree, statements)
    for loop in statements:
        if not isinstance(loop, ast.For) or not _goes_through(loop.iter):
            continue
        body = [node for statement in loop.body for node in _walk(statement)]
        takes = any(map(_takes, body))
        calls = [node for node in body if isinstance(node, ast.Call)]
        if not (takes or calls) or not (_runs(loop, body) or names.are_of_tasks(loop.iter)):
            continue
        if takes or any(around.any_of(called, held) for called, held in names.reaching(loop.iter, calls)):
            return True
    return False


@dataclass(slots=True)
class Removers:
    """The functions in some texts that remove something; `texts` gives the same ones each time."""

    texts: Callable[[], Iterable[str]]
    _spoken_of: dict[int, tuple[frozenset[str], ...]] = field(default_factory=dict)
    """by the number of the text: for each function that removes something, the names in it"""

    def any_of(self, called: set[str], names: set[str]) -> bool:
        """Whether one of the names in `called` may stand for such a function, and one of them speaks of one of `names`, where there are any."""
        if not called or (names and not self._any_speaks_of(names)):
            return False
        if _ANYTHING in called:
            return True
        for text in self.texts():
            if _gives(text, called):
                tree = _parsed(text)
                if tree is None or _removes(tree, called):
                    return True
        return False

    def _any_speaks_of(self, names: set[str]) -> bool:
        for number, text in enumerate(self.texts()):
            if any(name in text for name in names) and _TAKING.search(text):
                if number not in self._spoken_of:
                    tree = _parsed(text)
                    if tree is None:
                        return True
                    self._spoken_of[number] = tuple(_spoken_of(tree))
                if not all(map(names.isdisjoint, self._spoken_of[number])):
                    return True
        return False


def _gives(text: str, names: set[str]) -> bool:
    """Whether one of the names may be given to something here; most are only called, or stand in prose."""
    here = [name for name in names if name in text]
    if not here:
        return False
    one = rf"\b(?:{'|'.join(map(re.escape, here))})\b"
    return re.search(rf"\b(?:def|class|as)[\s\\]+{one}|{one}[\s\\]*(?:[^\s\w.(\"'\\`]|in\b)", text) is not None


def _spoken_of(tree: ast.Module) -> Iterator[frozenset[str]]:
    """For each function that removes something, the names in it, and what they are in the module that they are imported from."""
    imports = (node for node in _statements(tree) if isinstance(node, (ast.Import, ast.ImportFrom)))
    imported = {alias.asname: alias.name.rpartition(".")[2] for node in imports for alias in node.names if alias.asname}
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            nodes = list(_walk(node))  # with the functions in it
            if any(map(_takes, nodes)):
                names = set(map(_name, nodes))
                yield frozenset(names | {imported[name] for name in names & imported.keys()})
        else:
            waiting += _inside(node)


def _removes(tree: ast.AST, called: set[str]) -> bool:
    """Whether one of the names is here that of a function that removes something, of a class, or may stand for any function."""
    waiting = [(tree, False)]
    while waiting:
        node, inside = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inside = inside or node.name in called
        elif isinstance(node, ast.ClassDef):
            if node.name in called:
                return True
        elif inside and _takes(node):
            return True
        if _unclear(node) in called:
            return True
        waiting += [(inner, inside) for inner in _inside(node)]
    return False


@dataclass(frozen=True)
class _Names:
    """Of what the names in a file are other names, and which of them a function can know that is not given them."""

    text: str
    tree: ast.Module
    statements: Sequence[ast.AST]

    def are_of_tasks(self, container: ast.expr) -> bool:
        """Whether the container is called as those of tasks are, or what it is another name of."""
        return self._any_tasks and any(_NAMES.search(_name(node)) for node in self._meant(container))

    @cached_property
    def _any_tasks(self) -> bool:
        return _NAMES.search(self.text) is not None

    def reaching(self, container: ast.expr, calls: Iterable[ast.Call]) -> Iterator[tuple[set[str], set[str]]]:
        """The names of what is called and can reach the container; first those that are given it.

        The others are given the object that has it, or know it: they must speak of it, by one of the names beside them.
        """
        variables = self._variables(container)
        names = set(self._last_names(container))
        anybody = not variables.isdisjoint(self._outer)
        given: set[str] = set()
        other: set[str] = set()
        for call in calls:
            called = _called(call.func)
            if any(_name(node) in names for node in self._handed(call)):
                given.add(called)
            elif (
                anybody
                or called in self._functions  # they may see the variables around them
                or not variables.isdisjoint(self._variables(call))
            ):
                other.add(called)
        yield given, set()
        yield other, names

    def _handed(self, call: ast.Call) -> Iterator[ast.AST]:
        """What the called function is given, by all its names."""
        receiver = [call.func.value] if isinstance(call.func, ast.Attribute) else []
        for value in (*receiver, *call.args, *call.keywords):
            yield from self._meant(value)

    def _last_names(self, container: ast.AST) -> Iterator[str]:
        """The name of the container in the object that has it, and of all that it is another name of."""
        waiting = [container]
        passed: set[str] = set()
        while waiting:
            value = waiting.pop()
            while isinstance(value, (ast.Subscript, ast.Call)):
                value = _unwrapped(value) if isinstance(value, ast.Call) else value.value
            if isinstance(value, ast.NamedExpr):
                waiting += [value.target, value.value]
            name = _name(value)
            if name and name not in passed:
                passed.add(name)
                yield name
                waiting.extend(self._sources.get(name, ()))

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
        return {node.name for node in self.statements if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}

    @cached_property
    def _outer(self) -> set[str]:
        """The names outside of functions."""
        found: set[str] = set()
        for node in self.statements:
            if isinstance(node, (ast.Global, ast.Nonlocal)):
                found.update(node.names)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                found.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
        outside: list[ast.AST] = [self.tree]
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
        # An assignment is a statement, but for that of `:=`.
        for node in _walk(self.tree) if ":=" in self.text else self.statements:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    if alias.asname:
                        found.setdefault(alias.asname, []).append(alias)
            elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
                values = node.value.elts if isinstance(node.value, (ast.Tuple, ast.List)) else [node.value]
                named = [one for one in values if isinstance(one, _NAMED)]
                for target in (node.targets if isinstance(node, ast.Assign) else [node.target]) if named else ():
                    for inner in _walk(target):
                        if isinstance(inner, ast.Name):
                            found.setdefault(inner.id, []).extend(named)
        return found


_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_NAMED = (ast.Name, ast.Attribute, ast.Subscript, ast.NamedExpr)


def _parsed(text: str) -> ast.Module | None:
    """None for what is nested too deeply; a text with mistakes is empty, as nobody asks what is found in it."""
    try:
        return python_tree(text)
    except (SyntaxError, ValueError):
        return ast.Module([], [])
    except (RecursionError, MemoryError):
        return None


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """The statements, and the parts of `try` and `match` that hold some."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for name in _BLOCKS:
            waiting += getattr(node, name, ())


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """As `ast.walk`, in another order and half the time."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += _inside(node)


def _inside(node: ast.AST) -> list[ast.AST]:
    """The nodes in a node, but for the marks that a name is read."""
    found: list[ast.AST] = []
    for value in vars(node).values():
        kind = type(value)
        if kind is list:
            found += [one for one in value if isinstance(one, ast.AST)]
        elif kind is not ast.Load and isinstance(value, ast.AST):
            found.append(value)
    return found


def _goes_through(value: ast.expr) -> bool:
    """Whether the items of the loop may come from a container that has a name, one by one."""
    while isinstance(value, (ast.Attribute, ast.Subscript, ast.NamedExpr)):
        value = value.value
    if isinstance(value, ast.Call):
        return _called(value.func) in _THROUGH and _goes_through(_unwrapped(value))
    return isinstance(value, ast.Name)


def _unwrapped(call: ast.Call) -> ast.expr:
    """What a call goes through that is one of `_THROUGH`."""
    return call.args[0] if call.args else call.func.value if isinstance(call.func, ast.Attribute) else call.func


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
