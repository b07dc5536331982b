"""The one walk of the tree: its state, the scopes, and the dispatch to the visitors by node type.

LibCST's own visitor costs as much as parsing; a dictionary of handlers by node type, which look only at
what carries meaning and never rebuild a node, costs a tenth of it.
"""

from __future__ import annotations

import builtins
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import libcst as cst

from threadlint.facts.comments import Annotation
from threadlint.facts.model import UNKNOWN, Access, Class, Function, Kind, Node, Ref, Root, Span, Value
from threadlint.facts.positions import Positions
from threadlint.facts.visitors.scopes import Bindings

_BUILTINS = frozenset(dir(builtins))
# Members of an Enum are looked up more slowly than names.
_VAR = Root.VAR
_READ = frozenset({Root.GLOBAL, Root.IMPORT, Root.RESULT})
_READING = Kind.READ

Flow = tuple[Ref, Span, int]
"""A value that came from a location: which, where it was read, and when (the count of events at that time)."""


@dataclass(slots=True)
class ClassScope:
    """A class body being walked: a reference to the class, and the names bound in it."""

    qualname: str
    ref: Ref
    bound: Bindings


@dataclass(slots=True)
class Frame:
    """A function being walked; the module's body is one too."""

    qualname: str
    outer: Frame | None
    bound: Bindings
    cls: str = ""
    is_async: bool = False
    is_generator: bool = False
    blocks: list[list[Node]] = field(default_factory=lambda: [[]])
    classes: list[ClassScope] = field(default_factory=list)
    inner_names: list[set[str]] = field(default_factory=list)
    captured: set[str] = field(default_factory=set)
    resolved: dict[str, Ref] = field(default_factory=dict)
    """what names stand for outside the classes and the comprehensions in it"""
    calls: int = 0
    time: int = 0
    switched: int = 0
    read_at: dict[Ref, tuple[Span, int]] = field(default_factory=dict)
    """the last read of each location: where, and when"""
    carried: dict[str, tuple[Flow, ...]] = field(default_factory=dict)
    """by local name: the values of locations that went into it"""
    copies: dict[str, Ref] = field(default_factory=dict)
    """by local name: the location that it is a plain copy of"""
    results: dict[str, tuple[Flow, ...]] = field(default_factory=dict)
    """by number of a call: the values of locations that went into its arguments"""

    def emit(self, node: Node) -> None:
        """Add a fact to the block that is being built."""
        self.time += 1
        self.blocks[-1].append(node)

    def switch_point(self) -> None:
        """Another thread may be scheduled here on a build with a GIL."""
        self.time += 1
        self.switched = self.time

    def open(self) -> None:
        """Begin a nested block."""
        self.blocks.append([])

    def close(self) -> tuple[Node, ...]:
        """End the nested block and return its nodes."""
        return tuple(self.blocks.pop())


@dataclass(slots=True)
class Walk:
    """One walk over one file: the handlers by node type, and what has been found so far."""

    positions: Positions
    walrus: Sequence[int]
    """the lines in which there may be an assignment expression"""
    expressions: dict[type, Callable[[Walk, Any], Value]]
    statements: dict[type, Callable[[Walk, Any], None]]
    frame: Frame
    functions: list[Function] = field(default_factory=list)
    classes: list[Class] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    guards: list[Annotation] = field(default_factory=list)
    """which annotations name a lock, as comments do"""
    qualnames: dict[str, int] = field(default_factory=dict)
    at: Callable[[cst.CSTNode], Span] = field(init=False)
    """where a node stands"""

    def __post_init__(self) -> None:
        """What is asked most is asked directly."""
        self.at = self.positions.of

    def value(self, node: cst.CSTNode) -> Value:
        """Write down what the expression does, and return what is known of its value."""
        handler = self.expressions.get(type(node))
        return handler(self, node) if handler is not None else UNKNOWN

    def body(self, nodes: Iterable[cst.CSTNode]) -> None:
        """Walk the statements into the current block."""
        statements = self.statements
        for node in nodes:
            kind = type(node)
            if kind is cst.SimpleStatementLine:
                for small in node.body:  # type: ignore[attr-defined]
                    handler = statements.get(type(small))
                    if handler is not None:
                        handler(self, small)
                continue
            handler = statements.get(kind)
            if handler is not None:
                handler(self, node)

    def block(self, nodes: Iterable[cst.CSTNode]) -> tuple[Node, ...]:
        """Walk the statements into a block of their own."""
        self.frame.open()
        self.body(nodes)
        return self.frame.close()

    def resolve(self, name: str) -> Ref:
        """What the name stands for at this point, by Python's scope rules (reference manual, 4.2.2)."""
        frame = self.frame
        if frame.classes or frame.inner_names:
            return self._resolve(name)
        found = frame.resolved.get(name)
        if found is None:
            found = frame.resolved[name] = self._resolve(name)
        return found

    def _resolve(self, name: str) -> Ref:
        frame: Frame | None = self.frame
        for scope in reversed(self.frame.classes):
            if name in scope.bound.names and name not in scope.bound.globals:
                imported = scope.bound.imports.get(name)
                return (
                    _imported(imported)
                    if imported
                    else Ref(scope.ref.root, scope.ref.name, (*scope.ref.path, name), scope.ref.owner)
                )
            break
        while frame is not None:
            if frame.inner_names and any(name in names for names in frame.inner_names):
                return self._variable(frame, name)
            bound = frame.bound
            if frame.outer is None or name in bound.globals:
                return self._global(name)
            if name in bound.names and name not in bound.nonlocals:
                imported = bound.imports.get(name)
                return _imported(imported) if imported else self._variable(frame, name)
            frame = frame.outer
        return self._global(name)

    def _variable(self, frame: Frame, name: str) -> Ref:
        if frame is not self.frame:
            frame.captured.add(name)
        return Ref(Root.VAR, name, (), frame.qualname)

    def _global(self, name: str) -> Ref:
        module = self.frame
        while module.outer is not None:
            module = module.outer
        imported = module.bound.imports.get(name)
        if imported:
            return _imported(imported)
        if name in _BUILTINS and name not in module.bound.names:
            return Ref(Root.BUILTIN, name)
        return Ref(Root.GLOBAL, name)

    def read(self, ref: Ref, node: cst.CSTNode) -> None:
        """Write down that the node reads the location, unless it is only a local name of this function."""
        root, frame = ref.root, self.frame
        if root is _VAR:
            if not ref.path and ref.owner == frame.qualname:
                return
        elif root not in _READ:
            return
        span = self.at(node)
        frame.emit(Access(span, ref, _READING))
        frame.read_at[ref] = (span, frame.time)

    def walrus_in(self, node: cst.CSTNode) -> bool:
        """Whether there may be an assignment expression in the definition."""
        if not self.walrus:
            return False
        first, _, last, _ = self.at(node)
        after = bisect_left(self.walrus, first)
        return after < len(self.walrus) and self.walrus[after] <= last

    def unique(self, qualname: str) -> str:
        """The qualified name, with a number where the file defines it again."""
        count = self.qualnames.get(qualname, 0)
        self.qualnames[qualname] = count + 1
        return f"{qualname}#{count + 1}" if count else qualname


def _imported(dotted: str) -> Ref:
    return Ref(Root.IMPORT, dotted)
