"""The one walk of the tree: its state, the scopes, and the dispatch to the visitors by node type.

LibCST's own visitor costs as much as parsing; a dictionary of handlers by node type, which look only at
what carries meaning and never rebuild a node, costs a tenth of it.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import libcst as cst

from threadlint.facts.comments import Annotation
from threadlint.facts.model import UNKNOWN, Access, Class, Function, Kind, Node, Ref, Root, Span, Value
from threadlint.facts.positions import Positions
from threadlint.facts.visitors.scopes import Bindings

_BUILTINS = frozenset(dir(builtins))

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
    walrus: bool
    expressions: dict[type, Callable[[Walk, Any], Value]]
    statements: dict[type, Callable[[Walk, Any], None]]
    frame: Frame
    functions: list[Function] = field(default_factory=list)
    classes: list[Class] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    guards: list[Annotation] = field(default_factory=list)
    """which annotations name a lock, as comments do"""
    qualnames: dict[str, int] = field(default_factory=dict)

    def at(self, node: cst.CSTNode) -> Span:
        """Where the node stands."""
        return self.positions.of(node)

    def value(self, node: cst.CSTNode) -> Value:
        """Write down what the expression does, and return what is known of its value."""
        handler = self.expressions.get(type(node))
        return handler(self, node) if handler is not None else UNKNOWN

    def body(self, nodes: Iterable[cst.CSTNode]) -> None:
        """Walk the statements into the current block."""
        statements = self.statements
        for node in nodes:
            handler = statements.get(type(node))
            if handler is not None:
                handler(self, node)

    def block(self, nodes: Iterable[cst.CSTNode]) -> tuple[Node, ...]:
        """Walk the statements into a block of their own."""
        self.frame.open()
        self.body(nodes)
        return self.frame.close()

    def resolve(self, name: str) -> Ref:
        """What the name stands for at this point, by Python's scope rules (reference manual, 4.2.2)."""
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
            if any(name in names for names in frame.inner_names):
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

    def read(self, ref: Ref, span: Span) -> None:
        """Write down that the location is read, unless it is only a local name of this function."""
        if ref.root in (Root.GLOBAL, Root.VAR, Root.IMPORT, Root.RESULT):
            own = ref.root == Root.VAR and not ref.path and ref.owner == self.frame.qualname
            if not own:
                self.frame.emit(Access(span, ref, Kind.READ))
                self.frame.read_at[ref] = (span, self.frame.time)

    def unique(self, qualname: str) -> str:
        """The qualified name, with a number where the file defines it again."""
        count = self.qualnames.get(qualname, 0)
        self.qualnames[qualname] = count + 1
        return f"{qualname}#{count + 1}" if count else qualname


def _imported(dotted: str) -> Ref:
    return Ref(Root.IMPORT, dotted)
