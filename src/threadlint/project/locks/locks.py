"""Which lock a value is: identity, kind and re-entrancy."""

from __future__ import annotations

from dataclasses import dataclass, field

from threadlint.facts.model import Const, If, Jump, Loop, Match, Node, Ref, Root, Span, Value
from threadlint.facts.screen import lockish
from threadlint.knowledge.stdlib import LOCKS, SAME_ON_ENTER, LockType
from threadlint.project.names.counts import number
from threadlint.project.names.linker import Links, absolute
from threadlint.project.names.things import Cls, Func, Object
from threadlint.project.names.types import Types, argument

ANY_LOCK = "*"
"""Key of the lock that a caller is said to hold, without saying which: it meets every other."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock: `key` is the same wherever the same lock is named; `text` is how this place names it.

    `permits` is the number of threads that a semaphore lets in (0 where unknown); `each` says that the key stands for many
    locks (one for each element); `known` is false where only the name says that it is a lock.
    """

    key: str
    text: str
    kind: LockType
    reentrant: bool
    permits: int = 1
    each: bool = False
    known: bool = True

    @property
    def excludes(self) -> bool:
        """Whether only one thread at a time can hold it."""
        return self.permits == 1


@dataclass(frozen=True, slots=True)
class Held:
    """A lock that is held, the value by which it was named, and where it was acquired."""

    lock: Lock
    value: Value
    func: Func
    span: Span
    lexical: bool = True
    """held by a `with`, not by a bare `acquire()`, which another function may release"""


@dataclass(frozen=True, slots=True)
class Effects:
    """What calling a function does to the caller's lockset: locks that it leaves held, keys of locks that it releases."""

    taken: tuple[Held, ...] = ()
    freed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Step:
    """A node of a function with the locks held there, and the control nodes around it, outermost first."""

    node: Node
    held: tuple[Held, ...]
    context: tuple[tuple[Node, str], ...]

    @property
    def loops(self) -> tuple[Loop, ...]:
        """The loops around the step, outermost first."""
        return tuple(node for node, part in self.context if isinstance(node, Loop) and part == "body")


def may_follow(before: Step, after: Step) -> bool:
    """Whether one run of their function can come from the first step to the second, going downwards: not from one branch into the other, nor past a return."""
    for depth, (node, part) in enumerate(before.context):
        there = after.context[depth] if depth < len(after.context) else None
        if there is None or there[0] is not node:
            return not any(_ends(inner, where) for inner, where in before.context[depth:])
        if part != there[1] and isinstance(node, (If, Match)):
            return False
    return True


def _ends(node: Node, part: str) -> bool:
    """Whether the branch leaves the function at its end."""
    if not isinstance(node, If):
        return False
    last = (node.body if part == "body" else node.orelse)[-1]
    return isinstance(last, Jump) and last.kind in ("return", "raise")


def is_held_at(steps: list[Step], node: Node) -> bool:
    """Whether the function holds a lock where the node stands."""
    return any(step.node is node and step.held for step in steps)


def text(value: Value) -> str:
    """The value as the reader wrote it, as far as facts keep it."""
    if isinstance(value, Ref):
        name = (
            "(...)"
            if value.root == Root.RESULT
            else value.name.lstrip(".")
            if value.root == Root.IMPORT
            else value.name
        )
        return name + "".join(step if step.startswith("[") else f".{step}" for step in value.path)
    return "..."


@dataclass(slots=True)
class Locks:
    """Questions about locks."""

    types: Types
    effects: dict[str, Effects] = field(default_factory=dict)
    yields: dict[str, tuple[Held, ...]] = field(default_factory=dict)
    wraps: dict[str, tuple[Held, ...]] = field(default_factory=dict)
    """answers of `threadlint.project.locks.flow`, by function id"""
    _answers: dict[tuple[str, Value], Lock | None] = field(default_factory=dict)

    def of(self, value: Value | None, func: Func) -> Lock | None:
        """The lock that the value is; None where it is none, or not known to be one."""
        if value is None or isinstance(value, Const):
            return None
        key = (func.id, value)
        if key not in self._answers:
            self._answers[key] = None
            self._answers[key] = self._find(value, func)
        return self._answers[key]

    def _find(self, value: Value, func: Func) -> Lock | None:
        things = self.types.of(value, func)
        objects = [thing for thing in things if isinstance(thing, Object)]
        locks = [thing for thing in objects if isinstance(thing.type, str) and thing.type in LOCKS]
        if not locks:
            return self._by_name(value, func) if not any(self._is_no_lock(thing) for thing in objects) else None
        first = locks[0]
        assert isinstance(first.type, str)
        kind = LOCKS[first.type]
        origins = {
            (thing.frame.id, thing.call.id) for thing in locks if thing.frame is not None and thing.call is not None
        }
        each = isinstance(value, Ref) and any(step.startswith("[") for step in value.path)
        each = each or any(number in self.types.links.looped[frame] for frame, number in origins)
        if kind.kind == "condition" and first.call is not None and first.frame is not None:
            inner = self._handed_in(value, func, first) or self.of(first.call.argument(0, "lock"), first.frame)
            if inner is not None:
                return Lock(inner.key, self._text(value, func), kind, inner.reentrant, 1, each)
        permits = _permits(self.types.links, first) if kind.kind == "semaphore" else 1
        name = (
            "/".join(f"{frame}#{number}" for frame, number in origins)
            if len(origins) == 1 and not (origins != {(func.id, _number(value))} and self._made_for_others(first))
            else self._attribute(value, func) or self.place(value, func)
        )
        # an argument may say whether it is
        reentrant = any(LOCKS[str(thing.type)].reentrant for thing in locks)
        return Lock(name, self._text(value, func), kind, reentrant, permits, each)

    def _text(self, value: Value, func: Func) -> str:
        """The value as the reader wrote it; `lock_of()` for what a call returns."""
        call = self.types.links.calls[func.id].get(_number(value))
        if call is None or not isinstance(value, Ref) or value.path or not isinstance(call.callee, Ref):
            return text(value)
        return f"{self._text(call.callee, func)}()"

    def _handed_in(self, value: Value, func: Func, made: Object) -> Lock | None:
        """`self.filled = new_condition(self.lock)`: the lock that the caller gives to the function which makes the condition."""
        inner = made.call.argument(0, "lock") if made.call is not None else None
        frame = made.frame
        if frame is None or frame is func or not isinstance(inner, Ref) or not isinstance(value, Ref) or not value.path:
            return None
        number = next((n for n, param in enumerate(frame.facts.params) if param.name == inner.name), None)
        if number is None or inner.root != Root.VAR or inner.path or inner.owner != frame.facts.qualname:
            return None
        links = self.types.links
        for where, access in links.attributes.get(value.path[-1], ()):
            given = access.value
            call = links.calls[where.id].get(_number(given)) if given is not None else None
            if call is not None and any(thing.func is frame for thing in self.types.functions(call.callee, where)):
                skip = 1 if self.types.self_name(frame) else 0
                return self.of(argument(call, number - skip, inner.name), where)
        return None

    def _made_for_others(self, made: Object) -> bool:
        """Whether the constructor call stands in a function that returns what it makes: each of its callers has a lock of its own."""
        if made.frame is None or made.call is None or made.frame.is_module:
            return False
        return any(
            thing.call is made.call
            for value in self.types.returned(made.frame)
            if isinstance(value, Ref) and not value.path and value.root in (Root.RESULT, Root.VAR)
            for thing in self.types.of(value, made.frame)
            if isinstance(thing, Object)
        )

    def _attribute(self, value: Value, func: Func) -> str:
        """A name for an attribute by the class that gives it its value, so that it is the same for all who name it; empty for other values."""
        if not isinstance(value, Ref) or not value.path or value.path[-1].startswith("["):
            return ""
        stores = {
            f"{where.module.name}:{where.facts.cls}" for where, _ in self.types.links.attributes.get(value.path[-1], ())
        }
        for thing in self.types.of(value.receiver, func):
            if isinstance(thing, Object) and isinstance(thing.type, Cls):
                for cls in self.types.mro(thing.type):
                    if isinstance(cls, Cls) and cls.id in stores:
                        return f"{cls.id}.{value.path[-1]}"
        return ""

    def _by_name(self, value: Value, func: Func) -> Lock | None:
        if not isinstance(value, Ref):
            return None
        last = next((step for step in reversed((value.name, *value.path)) if not step.startswith("[")), "")
        if value.root == Root.RESULT:
            call = self.types.links.calls[func.id].get(int(value.name))
            if call is None or not isinstance(call.callee, Ref):
                return None
            last = (call.callee.name, *call.callee.path)[-1]
            if not lockish(last):
                return None
            return Lock(
                f"{self.place(call.callee, func)}()",
                f"{text(call.callee)}()",
                LockType("lock"),
                reentrant=True,
                known=False,
            )
        if not lockish(last):
            return None
        place = self.place(self._original(value, func), func)
        return Lock(place, text(value), LockType("lock"), reentrant=True, known=False)

    def _original(self, value: Ref, func: Func) -> Ref:
        """What a local name stands for that is bound once: `lock = self._lock`."""
        if value.root is not Root.VAR or value.path or value.owner != func.facts.qualname:
            return value
        bound = self.types.links.bindings.get((func.id, value.name), ())
        source = bound[0][1].value if len(bound) == 1 and not bound[0][1].form else None
        return source if isinstance(source, Ref) and source.root is not Root.RESULT else value

    def _is_no_lock(self, thing: Object) -> bool:
        if isinstance(thing.type, Cls):
            return not lockish(thing.type.facts.name) and self.types.method(thing.type, "acquire") is None
        return thing.type in SAME_ON_ENTER or thing.type == "contextlib.nullcontext"

    def place(self, value: Value, func: Func) -> str:
        """A name for the place that holds the lock: attributes by the class of `self`, variables by function, globals by module."""
        if not isinstance(value, Ref):
            return f"{func.id}?"
        owner = self.types.links.funcs.get(f"{func.module.name}:{value.owner}")
        if value.root == Root.VAR and owner is not None and value.path and value.name == self.types.self_name(owner):
            return f"{owner.module.name}:{owner.facts.cls}.{'.'.join(value.path)}"
        found = absolute(self.types.links, func.module, value)
        return f"{found.owner}:{'.'.join((found.name, *found.path))}"


def _number(value: Value) -> int:
    """The number of the call whose result the value is."""
    return int(value.name) if isinstance(value, Ref) and value.root == Root.RESULT and not value.path else -1


def _permits(links: Links, thing: Object) -> int:
    value = thing.call.argument(0, "value") if thing.call is not None else None
    if thing.call is not None and value is None and not thing.call.starred:
        return 1
    return (number(links, value, thing.frame) if thing.frame is not None else None) or 0
