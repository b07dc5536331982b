"""Which lock a value is: identity, kind and re-entrancy; and which locks are held at each step of a function."""

from __future__ import annotations

from dataclasses import dataclass, field

from threadlint.facts.model import (
    Assert,
    Call,
    Const,
    If,
    Jump,
    Logic,
    Loop,
    Match,
    Node,
    Ref,
    Root,
    Span,
    Try,
    Value,
    With,
)
from threadlint.knowledge.stdlib import LOCKISH_NAMES, LOCKS, SAME_ON_ENTER, LockType
from threadlint.project.linker import absolute
from threadlint.project.things import Cls, Func, Object
from threadlint.project.types import Types

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
class Step:
    """A node of a function with the locks held there, and the control nodes around it, outermost first."""

    node: Node
    held: tuple[Held, ...]
    context: tuple[tuple[Node, str], ...]

    @property
    def loops(self) -> tuple[Loop, ...]:
        """The loops around the step, outermost first."""
        return tuple(node for node, part in self.context if isinstance(node, Loop) and part == "body")


def text(value: Value) -> str:
    """The value as the reader wrote it, as far as facts keep it."""
    if isinstance(value, Ref):
        name = (
            f"{value.name.rpartition('.')[2]}()"
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
            inner = self.of(first.call.argument(0, "lock"), first.frame)
            if inner is not None:
                return Lock(inner.key, text(value), kind, inner.reentrant, 1, each)
        permits = _permits(first) if kind.kind == "semaphore" else 1
        name = (
            "/".join(f"{frame}#{number}" for frame, number in origins) if len(origins) == 1 else self.place(value, func)
        )
        reentrant = kind.reentrant and all(LOCKS[str(thing.type)].reentrant for thing in locks)
        return Lock(name, text(value), kind, reentrant, permits, each)

    def _by_name(self, value: Value, func: Func) -> Lock | None:
        if not isinstance(value, Ref):
            return None
        last = next((step for step in reversed((value.name, *value.path)) if not step.startswith("[")), "")
        if value.root == Root.RESULT:
            call = self.types.links.calls[func.id].get(int(value.name))
            if call is None or not isinstance(call.callee, Ref):
                return None
            last = (call.callee.name, *call.callee.path)[-1]
            if not _lockish(last):
                return None
            return Lock(
                f"{self.place(call.callee, func)}()",
                f"{text(call.callee)}()",
                LockType("lock"),
                reentrant=True,
                known=False,
            )
        if not _lockish(last):
            return None
        return Lock(self.place(value, func), text(value), LockType("lock"), reentrant=True, known=False)

    def _is_no_lock(self, thing: Object) -> bool:
        if isinstance(thing.type, Cls):
            return not _lockish(thing.type.facts.name) and self.types.method(thing.type, "acquire") is None
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


def _lockish(name: str) -> bool:
    lowered = name.lower()
    return (
        any(part in lowered for part in LOCKISH_NAMES)
        and "unlock" not in lowered
        and "block" not in lowered.replace("_lock", "")
    )


def _permits(thing: Object) -> int:
    value = thing.call.argument(0, "value") if thing.call is not None else None
    if thing.call is not None and value is None and not thing.call.starred:
        return 1
    return value.value if isinstance(value, Const) and isinstance(value.value, int) else 0


State = tuple[Held, ...]


@dataclass(slots=True)
class Flow:
    """One pass over a function in the order of evaluation, keeping the lockset: lexical `with`, acquire and release, `try`, branches.

    Where paths meet, only what is held on both stays held.
    """

    locks: Locks
    func: Func
    steps: list[Step] = field(default_factory=list)
    _tried: dict[str, Held] = field(default_factory=dict)
    _breaks: list[list[State]] = field(default_factory=list)

    def run(self, start: State = ()) -> list[Step]:
        """All steps of the function."""
        self._block(self.func.facts.body, start, ())
        return self.steps

    def _block(
        self, nodes: tuple[Node, ...], held: State | None, context: tuple[tuple[Node, str], ...]
    ) -> State | None:
        for node in nodes:
            # code after a jump is dead, but its steps still belong to the function
            before = held if held is not None else ()
            self.steps.append(Step(node, before, context))
            after = self._node(node, before, context)
            held = after if held is not None else None
        return held

    def _node(self, node: Node, held: State, context: tuple[tuple[Node, str], ...]) -> State | None:
        if isinstance(node, Call):
            return self._call(node, held)
        if isinstance(node, With):
            return self._with(node, held, context)
        if isinstance(node, If):
            return self._if(node, held, context)
        if isinstance(node, Loop):
            return self._loop(node, held, context)
        if isinstance(node, Try):
            return self._try(node, held, context)
        if isinstance(node, Match):
            ends = [self._block(case, held, (*context, (node, f"case {n}"))) for n, case in enumerate(node.cases)]
            return _meet(ends if node.exhaustive else [*ends, held])
        if isinstance(node, Jump):
            if node.kind == "break" and self._breaks:
                self._breaks[-1].append(held)
            return None
        if isinstance(node, Assert):
            return held + tuple(self._asserted(node.test))
        return held

    def _call(self, node: Call, held: State) -> State:
        callee = node.callee
        if not isinstance(callee, Ref) or not callee.path:
            return held
        last = callee.path[-1]
        receiver = Ref(callee.root, callee.name, callee.path[:-1], callee.owner)
        if last == "release":
            lock = self.locks.of(receiver, self.func)
            if lock is not None:
                for number in range(len(held) - 1, -1, -1):
                    if held[number].lock.key == lock.key:
                        return held[:number] + held[number + 1 :]
        elif last == "acquire":
            lock = self.locks.of(receiver, self.func)
            if lock is not None:
                taken = Held(lock, receiver, self.func, node.span, lexical=False)
                if _may_fail(node) and node.use != "discarded":
                    self._tried[node.result.name] = taken
                    return held
                return (*held, taken)
        elif last in ("enter_context", "enter_async_context") and node.args:
            lock = self.locks.of(node.args[0], self.func)
            if lock is not None:
                return (*held, Held(lock, node.args[0], self.func, node.span))
        return held

    def _with(self, node: With, held: State, context: tuple[tuple[Node, str], ...]) -> State | None:
        taken: list[Held] = []
        for item in node.items:
            lock = self.locks.of(item.value, self.func)
            if lock is not None:
                taken.append(Held(lock, item.value, self.func, item.span))
            taken.extend(self._managed(item.value, item.span))
        after = self._block(node.body, held + tuple(taken), (*context, (node, "body")))
        if after is None:
            return None
        for one in taken:
            for number in range(len(after) - 1, -1, -1):
                if after[number] is one:
                    after = after[:number] + after[number + 1 :]
                    break
        return after

    def _managed(self, value: Value, span: Span) -> list[Held]:
        """The locks that a `@contextmanager` function of the project holds while it yields."""
        found: list[Held] = []
        for thing in self.locks.types.of(value, self.func):
            if (
                isinstance(thing, Object)
                and thing.type == "contextlib.contextmanager"
                and thing.frame is not None
                and thing.frame is not self.func
            ):
                for step in Flow(self.locks, thing.frame).run():
                    if getattr(step.node, "kind", "") == "yield":
                        found += [self._seen_from_here(held, thing.frame, thing.call, span) for held in step.held]
                        break
        return found

    def _seen_from_here(self, held: Held, manager: Func, call: Call | None, span: Span) -> Held:
        """The lock that the manager holds, by the name that this function would give it: `self._lock` of the same object."""
        own = self.locks.types.self_name(manager)
        value, callee = held.value, call.callee if call is not None else None
        if (
            isinstance(value, Ref)
            and isinstance(callee, Ref)
            and callee.path
            and own
            and (value.root, value.name, value.owner) == (Root.VAR, own, manager.facts.qualname)
        ):
            named = Ref(callee.root, callee.name, (*callee.path[:-1], *value.path), callee.owner)
            return Held(held.lock, named, self.func, span)
        if isinstance(value, Ref) and value.root == Root.GLOBAL and manager.module is self.func.module:
            return Held(held.lock, value, self.func, span)
        return Held(held.lock, value, manager, span)

    def _if(self, node: If, held: State, context: tuple[tuple[Node, str], ...]) -> State | None:
        won, lost = self._attempts(node.test)
        body = self._block(node.body, held + won, (*context, (node, "body")))
        orelse = self._block(node.orelse, held + lost, (*context, (node, "orelse")))
        return _meet([body, orelse])

    def _attempts(self, test: Value) -> tuple[State, State]:
        """The locks held when the test of a try-acquire is true, and when it is false."""
        if isinstance(test, Logic):
            if test.op == "not":
                won, lost = self._attempts(test.items[0])
                return lost, won
            if test.op == "and":
                return tuple(one for item in test.items for one in self._attempts(item)[0]), ()
            if test.op == "or":
                return (), tuple(one for item in test.items for one in self._attempts(item)[1])
        if isinstance(test, Ref) and not test.path:
            if test.root == Root.RESULT and test.name in self._tried:
                return (self._tried[test.name],), ()
            if test.root == Root.VAR:
                bound = self.locks.types.links.bindings.get((f"{self.func.module.name}:{test.owner}", test.name), ())
                results = [a.value.name for _, a in bound if isinstance(a.value, Ref) and a.value.root == Root.RESULT]
                return tuple(self._tried[name] for name in results if name in self._tried), ()
        return (), ()

    def _loop(self, node: Loop, held: State, context: tuple[tuple[Node, str], ...]) -> State | None:
        self._breaks.append([])
        end = self._block(node.body, held, (*context, (node, "body")))
        breaks = self._breaks.pop()
        endless = node.kind == "while" and isinstance(node.value, Const) and bool(node.value.value)
        normal = None if endless else (_meet([held, end]) if end is not None else held)
        if node.orelse:
            normal = self._block(node.orelse, normal, (*context, (node, "orelse")))
        return _meet([normal, *breaks])

    def _try(self, node: Try, held: State, context: tuple[tuple[Node, str], ...]) -> State | None:
        body = self._block(node.body, held, (*context, (node, "body")))
        ends = [
            self._block(handler.body, held, (*context, (node, f"handler {n}")))
            for n, handler in enumerate(node.handlers)
        ]
        ends.append(self._block(node.orelse, body, (*context, (node, "orelse"))) if node.orelse else body)
        met = _meet(ends)
        if not node.final:
            return met
        # `finally` also runs when every path before it has left the block
        after = self._block(node.final, met if met is not None else held, (*context, (node, "final")))
        return after if met is not None else None

    def _asserted(self, test: Value) -> list[Held]:
        """`assert lock.locked()`, `assert self._lock._is_owned()`: the caller holds it."""
        if isinstance(test, Ref) and test.root == Root.RESULT:
            call = self.locks.types.links.calls[self.func.id].get(int(test.name))
            if (
                call is not None
                and isinstance(call.callee, Ref)
                and call.callee.path[-1:] in (("locked",), ("_is_owned",))
            ):
                receiver = Ref(call.callee.root, call.callee.name, call.callee.path[:-1], call.callee.owner)
                lock = self.locks.of(receiver, self.func)
                if lock is not None:
                    return [Held(lock, receiver, self.func, call.span)]
        return []


def _may_fail(call: Call) -> bool:
    """`acquire(False)`, `acquire(blocking=False)`, `acquire(timeout=...)`."""
    blocking = call.argument(0, "blocking")
    timeout = call.argument(1, "timeout")
    return (
        (isinstance(blocking, Const) and not blocking.value)
        or timeout is not None
        or (blocking is not None and not isinstance(blocking, Const))
    )


def _meet(states: list[State | None]) -> State | None:
    alive = [state for state in states if state is not None]
    if not alive:
        return None
    first, *others = alive
    return tuple(
        held for held in first if all(any(held.lock.key == other.lock.key for other in state) for state in others)
    )
