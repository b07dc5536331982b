"""The vocabulary of facts: what one file says about threads, as plain data.

A function's body is a tree of nodes in the order of evaluation: accesses, calls, jumps and suspensions, nested
in the branches, loops, `with` and `try` blocks that they stand in. Names are resolved where they are written; what a
name stands for in another file (is this a lock, is that a thread?) is asked of the project, never guessed here.
Facts depend on the file's text alone, so they can be stored by its hash and sent between processes.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Literal

import msgspec

from threadlint.facts.comments import Annotation, Suppression

Span = tuple[int, int, int, int]
"""Line, column, end line, end column; all from 1, columns in characters, the end column after the last character."""


def is_inside(inner: Span, outer: Span) -> bool:
    """Whether the first stretch of text lies within the second."""
    return outer[:2] <= inner[:2] and inner[2:] <= outer[2:]


# Strings of a known set are one object each when facts are read again, which saves a tenth of what they take in memory.
CallUse = Literal["used", "discarded", "returned", "awaited", "awaited-discarded"]
ManyKind = Literal["list", "tuple", "set", "dict", "generator", "star"]
Comparison = Literal["in", "not in", "is", "is not", "==", "!=", "<", "<=", ">", ">="]
JumpKind = Literal["return", "raise", "break", "continue"]
LoopKind = Literal["for", "while", "comprehension", "generator"]
ParamKind = Literal["pos", "kw", "*", "**"]


class Root(IntEnum):
    """What the first name of a `Ref` is."""

    __hash__ = int.__hash__  # names are hashed all the time, and that of Enum is Python code

    GLOBAL = 1
    """a name of this module's top level"""
    VAR = 2
    """a variable of the function `owner`: a parameter, a local, or a closure variable where `owner` is an outer function"""
    IMPORT = 3
    """an imported name: `name` is dotted, with leading dots as written"""
    BUILTIN = 4
    RESULT = 5
    """what the call with number `name` of the same function returned"""
    FUNCTION = 6
    """the function of this module with the qualified name `name`"""
    CLASS = 7
    """the class of this module with the qualified name `name`"""
    SUPER = 8
    """`super()` in a method of the class `owner`"""


class _Fact(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Base of all facts: compact, comparable, encodable."""


class Ref(_Fact, frozen=True, array_like=True, cache_hash=True, tag="r", gc=False):
    """A name and the attributes and elements asked of it: `self.pool[k].size` is (VAR self, ("pool", "[k]", "size"))."""

    root: Root
    name: str
    path: tuple[str, ...] = ()
    owner: str = ""

    @property
    def receiver(self) -> Ref:
        """The name without its last attribute or element: what a method is called on."""
        return Ref(self.root, self.name, self.path[:-1], self.owner)


class Const(_Fact, frozen=True, array_like=True, tag="c", gc=False):
    """A literal: None, a bool, a number, a string (others are `Derived`)."""

    value: bool | int | float | str | None


class Many(_Fact, frozen=True, array_like=True, cache_hash=True, tag="m"):
    """A display, comprehension or annotated container; `kind` is list, tuple, set, dict or generator.

    `repeated` says that there may be any number of items like these; `keys` are those of a dict that are made by calls.
    """

    kind: ManyKind
    items: tuple[Value, ...]
    repeated: bool = False
    keys: tuple[Value, ...] = ()


class Instance(_Fact, frozen=True, array_like=True, cache_hash=True, tag="i"):
    """Some instance of a class, known from an annotation or an `isinstance` test."""

    of: Value


class Compare(_Fact, frozen=True, array_like=True, cache_hash=True, tag="cmp"):
    """A comparison of two values; `op` is as written (`in`, `not in`, `is`, `is not`, `<`, ...)."""

    op: Comparison
    left: Value
    right: Value


class Logic(_Fact, frozen=True, array_like=True, cache_hash=True, tag="l"):
    """`and`, `or`, `not`, or `if` for a conditional expression (body, alternative)."""

    op: Literal["and", "or", "not", "if"]
    items: tuple[Value, ...]


class Derived(_Fact, frozen=True, array_like=True, cache_hash=True, tag="d"):
    """A value computed from others: arithmetic, f-strings, slices; the result of a call lists the call."""

    parts: tuple[Value, ...] = ()
    op: str = ""


Value = Ref | Const | Many | Instance | Compare | Logic | Derived
UNKNOWN = Derived()


class Kind(IntEnum):
    """What an access does to its location."""

    __hash__ = int.__hash__

    READ = 1
    WRITE = 2
    UPDATE = 3
    """a read and a write that are not one step"""
    DELETE = 4


class Access(_Fact, frozen=True, array_like=True, tag="A"):
    """One use of a location; stores of a local name carry the value that it is bound to.

    `form` tells how an update is written: `augmented` (`x += 1`), `assigned` (`x = f(x)`), `carried` (`t = x; x = g(t)`), and how a
    name is bound otherwise: `param`, `def`, `class`, `for`, `with`, `except`, `import`, `annotation`.
    `read` is where the old value was read, `window` whether another thread may be scheduled between the read and the
    write on a build with a GIL (a call, an await, a loop, or an operation that may run Python code).
    """

    span: Span
    ref: Ref
    kind: Kind
    value: Value | None = None
    form: str = ""
    read: Span | None = None
    window: bool = False
    op: str = ""


class Call(_Fact, frozen=True, array_like=True, tag="C"):
    """A call; `use` says what becomes of the result: discarded, awaited, returned, or used."""

    id: int
    span: Span
    callee: Value
    args: tuple[Value, ...] = ()
    keywords: tuple[tuple[str, Value], ...] = ()
    use: CallUse = "used"
    starred: bool = False
    """some arguments are unpacked, so their positions are not known"""

    def keyword(self, name: str) -> Value | None:
        """The value given for the keyword, None where there is none."""
        return next((value for key, value in self.keywords if key == name), None)

    def argument(self, position: int, name: str = "") -> Value | None:
        """The value given at the position (counted from 0) or for the keyword."""
        if name:
            given = self.keyword(name)
            if given is not None:
                return given
        return self.args[position] if 0 <= position < len(self.args) and not self.starred else None

    @property
    def result(self) -> Ref:
        """The name of what the call returns."""
        return Ref(Root.RESULT, str(self.id))


class Jump(_Fact, frozen=True, array_like=True, tag="J"):
    """`return`, `raise`, `break` or `continue`."""

    kind: JumpKind
    span: Span
    value: Value | None = None


class Suspend(_Fact, frozen=True, array_like=True, tag="S"):
    """`await`, `yield` or `yield from`: the function stops here and goes on later."""

    kind: str
    span: Span
    value: Value | None = None


class Operate(_Fact, frozen=True, array_like=True, tag="O", gc=False):
    """An arithmetic operation on values that are not known to be numbers or strings: it may raise, and may run Python code."""

    span: Span


class Assert(_Fact, frozen=True, array_like=True, tag="As"):
    """`assert test`."""

    span: Span
    test: Value


class If(_Fact, frozen=True, array_like=True, tag="I"):
    """`if test: body else: orelse`; what the test itself does comes before it."""

    span: Span
    test: Value
    body: tuple[Node, ...]
    orelse: tuple[Node, ...] = ()


class Loop(_Fact, frozen=True, array_like=True, tag="L"):
    """`for`, `while`, a comprehension or a generator expression (`kind`).

    For `while` the test is `value`, and what the test does stands at the start of `body`; for the others `value` is iterated over.
    """

    kind: LoopKind
    span: Span
    value: Value
    targets: tuple[Ref, ...]
    body: tuple[Node, ...]
    orelse: tuple[Node, ...] = ()
    is_async: bool = False


class WithItem(_Fact, frozen=True, array_like=True, tag="wi"):
    """One context manager of a `with`, and the name that it is bound to."""

    span: Span
    value: Value
    target: Ref | None = None


class With(_Fact, frozen=True, array_like=True, tag="W"):
    """`with items: body`."""

    span: Span
    items: tuple[WithItem, ...]
    body: tuple[Node, ...]
    is_async: bool = False


class Handler(_Fact, frozen=True, array_like=True, tag="h"):
    """One `except`; no types for a bare one."""

    span: Span
    types: tuple[Value, ...]
    body: tuple[Node, ...]
    name: str = ""


class Try(_Fact, frozen=True, array_like=True, tag="T"):
    """`try: body except handlers else: orelse finally: final`."""

    span: Span
    body: tuple[Node, ...]
    handlers: tuple[Handler, ...] = ()
    orelse: tuple[Node, ...] = ()
    final: tuple[Node, ...] = ()


class Match(_Fact, frozen=True, array_like=True, tag="M"):
    """`match value:` with its cases; `exhaustive` where the last one takes everything."""

    span: Span
    value: Value
    cases: tuple[tuple[Node, ...], ...]
    exhaustive: bool = False


Node = Access | Call | Jump | Suspend | Operate | Assert | If | Loop | With | Try | Match


class Param(_Fact, frozen=True, array_like=True, tag="p"):
    """One parameter; `kind` is pos, kw, `*` or `**`."""

    name: str
    kind: ParamKind = "pos"
    annotation: Value | None = None
    default: Value | None = None


class Function(_Fact, frozen=True, array_like=True, tag="F"):
    """A function, method or lambda, or the module's body (qualified name empty).

    `owner` is the enclosing function's qualified name, `cls` the qualified name of the class whose method it is.
    """

    qualname: str
    name: str
    span: Span
    body: tuple[Node, ...]
    params: tuple[Param, ...] = ()
    decorators: tuple[Value, ...] = ()
    owner: str = ""
    cls: str = ""
    is_async: bool = False
    is_generator: bool = False
    returns: Value | None = None
    captured: tuple[str, ...] = ()
    """its variables that functions inside it use"""
    doc: str = ""
    """the docstring where it speaks of a lock that the caller holds, else empty"""


class Class(_Fact, frozen=True, array_like=True, tag="K"):
    """A class. What its body binds stands among the facts of the function around it, as attributes of the class."""

    qualname: str
    name: str
    span: Span
    bases: tuple[Value, ...] = ()
    decorators: tuple[Value, ...] = ()
    owner: str = ""


class FileFacts(_Fact, frozen=True, array_like=True, tag="File"):
    """All that one file says. `functions` begins with the module's body."""

    functions: tuple[Function, ...]
    classes: tuple[Class, ...] = ()
    imports: tuple[str, ...] = ()
    """modules that are imported, as written; `from a import b` lists `a` and `a.b`"""
    exports: tuple[tuple[str, str], ...] = ()
    """names of the module's top level that an import binds, and the dotted name imported"""
    stars: tuple[str, ...] = ()
    suppressions: tuple[Suppression, ...] = ()
    annotations: tuple[Annotation, ...] = ()


_NESTING = frozenset({If, With, Loop, Try, Match})

ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(FileFacts)


def encode(facts: FileFacts) -> bytes:
    """Facts in MessagePack, a typed format that cannot run code when it is read."""
    return ENCODER.encode(facts)


def decode(data: bytes) -> FileFacts:
    """The reverse of `encode`; raises `msgspec.DecodeError` or `msgspec.ValidationError` on anything else."""
    return _DECODER.decode(data)


def walk(nodes: tuple[Node, ...]) -> Any:
    """Yield each node of the tree, outer before inner, in the order of evaluation."""
    for node in nodes:
        yield node
        if type(node) in _NESTING:
            for inner in children(node):
                if inner:
                    yield from walk(inner)


def children(node: Node) -> tuple[tuple[Node, ...], ...]:
    """The blocks inside a node, in the order of evaluation."""
    kind = type(node)
    if kind is If:
        return (node.body, node.orelse)  # type: ignore[union-attr]
    if kind is With:
        return (node.body,)  # type: ignore[union-attr]
    if kind is Loop:
        return (node.body, node.orelse)  # type: ignore[union-attr]
    if kind is Try:
        return (node.body, *(handler.body for handler in node.handlers), node.orelse, node.final)  # type: ignore[union-attr]
    if kind is Match:
        return node.cases  # type: ignore[union-attr]
    return ()
