"""Calls of the methods of locks: which lock, by which name, and whether the call waits; and where the values of a node are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from threadlint.facts.model import (
    Access,
    Assert,
    Call,
    Compare,
    Const,
    If,
    Jump,
    Logic,
    Loop,
    Match,
    Node,
    Ref,
    Root,
    Suspend,
    Value,
    With,
)
from threadlint.project.locks.locks import Held, Lock, Locks
from threadlint.project.names.things import External, Func, Object
from threadlint.project.names.values import refs

METHODS = frozenset({"acquire", "release", "locked"})


@dataclass(frozen=True, slots=True)
class LockCall:
    """`receiver.method(...)` on a lock."""

    call: Call
    method: str
    receiver: Ref
    lock: Lock

    @property
    def waits(self) -> bool:
        """Whether an `acquire` comes back only with the lock."""
        return waits(self.call)


def lock_call(locks: Locks, call: Call, func: Func) -> LockCall | None:
    """The call as a call of a lock's method; None where it is none, or where only its name says that it is a lock."""
    callee = call.callee
    if not isinstance(callee, Ref) or not callee.path or callee.path[-1] not in METHODS:
        return None
    receiver = callee.receiver
    lock = locks.of(receiver, func)
    return None if lock is None or not lock.known else LockCall(call, callee.path[-1], receiver, lock)


def lock_calls(locks: Locks, func: Func) -> Iterator[LockCall]:
    """All calls of locks' methods in the function."""
    for call in locks.types.links.calls[func.id].values():
        found = lock_call(locks, call, func)
        if found is not None:
            yield found


def waits(call: Call) -> bool:
    """Whether `acquire` is called without a timeout and not as a mere try; a negative timeout means none (library reference, `Lock.acquire`)."""
    blocking, timeout = call.argument(0, "blocking"), call.argument(1, "timeout")
    if isinstance(timeout, Const) and (
        timeout.value is None or (isinstance(timeout.value, (int, float)) and timeout.value < 0)
    ):
        timeout = None
    return timeout is None and (blocking is None or (isinstance(blocking, Const) and bool(blocking.value)))


def only_tries(call: Call) -> bool:
    """Whether `acquire` certainly comes back without the lock when another thread holds it, at once or after a time."""
    blocking = call.argument(0, "blocking")
    if isinstance(blocking, Const) and not blocking.value:
        return True
    return not waits(call) and (blocking is None or isinstance(blocking, Const))


def new_lock(locks: Locks, value: Value | None, func: Func) -> Call | None:
    """The call of a lock's constructor that the value is, as written in this function."""
    if not isinstance(value, Ref) or value.root != Root.RESULT or value.path:
        return None
    call = locks.types.links.calls[func.id].get(int(value.name))
    lock = locks.of(value, func)
    if call is None or lock is None or not lock.known:
        return None
    for thing in locks.types.of(value, func):
        if isinstance(thing, Object) and thing.frame is func and thing.call is call:
            named = locks.types.of(call.callee, func)
            return call if named and all(isinstance(one, External) for one in named) else None
    return None


def new_locks(locks: Locks, held: Held) -> list[tuple[Func, Call]]:
    """The calls that make the plain `Lock` that is held, with the functions that they stand in."""
    return [
        (thing.frame, thing.call)
        for thing in locks.types.of(held.value, held.func)
        if isinstance(thing, Object) and thing.type == "threading.Lock" and thing.frame and thing.call
    ]


def called(value: Value | None, func: Func, locks: Locks) -> LockCall | None:
    """The lock's method whose result the value is, directly or through a local name that is bound once."""
    if not isinstance(value, Ref) or value.path:
        return None
    links = locks.types.links
    if value.root == Root.VAR and value.owner == func.facts.qualname:
        bound = links.bindings.get((func.id, value.name), ())
        if len(bound) != 1 or bound[0][1].form:
            return None
        value = bound[0][1].value
    if not isinstance(value, Ref) or value.root != Root.RESULT or value.path:
        return None
    call = links.calls[func.id].get(int(value.name))
    return lock_call(locks, call, func) if call is not None else None


def answers(value: Value | None, func: Func, locks: Locks) -> list[LockCall]:
    """The lock's methods whose result the value may be; through a local name only where all that it is bound to are answers of one lock, or `True` and `False`."""
    one = called(value, func, locks)
    if one is not None:
        return [one]
    if not isinstance(value, Ref) or value.path or value.root != Root.VAR or value.owner != func.facts.qualname:
        return []
    found: list[LockCall] = []
    for _, access in locks.types.links.bindings.get((func.id, value.name), ()):
        for bound in _alternatives(access.value) if access.value is not None and not access.form else (None,):
            one = called(bound, func, locks) if isinstance(bound, Ref) else None
            if one is not None:
                found.append(one)
            elif not isinstance(bound, Const):
                return []
    return found if len({(one.lock.key, one.receiver) for one in found}) == 1 else []


def _alternatives(value: Value) -> tuple[Value, ...]:
    return value.items[:2] if isinstance(value, Logic) and value.op == "if" else (value,)


def won(test: Value, func: Func, locks: Locks, *, truth: bool) -> Iterator[LockCall]:
    """The tries of locks that succeeded where the test is true (or false)."""
    for value, wanted in conjuncts(test, truth=truth):
        if wanted:
            yield from (one for one in answers(value, func, locks) if one.method == "acquire" and not one.waits)


def conjuncts(test: Value, *, truth: bool) -> Iterator[tuple[Value, bool]]:
    """What is certain where the test is true (or false): its parts, each with whether it is true; `x is True` and `x == False` are taken apart."""
    if isinstance(test, Logic) and test.op == "not":
        yield from conjuncts(test.items[0], truth=not truth)
    elif isinstance(test, Logic) and test.op == ("and" if truth else "or"):
        for item in test.items:
            yield from conjuncts(item, truth=truth)
    elif isinstance(test, Compare) and isinstance(test.right, Const) and test.op in ("is", "=="):
        yield from conjuncts(test.left, truth=truth == bool(test.right.value))
    else:
        yield test, truth


def parts(value: Value) -> Iterator[Value]:
    """The value itself and the operands of its `and`, `or` and `not`."""
    yield value
    if isinstance(value, Logic):
        for item in value.items:
            yield from parts(item)


def values(node: Node) -> Iterator[Value]:
    """The values that the node itself uses, without those of the nodes inside it."""
    if isinstance(node, Call):
        yield node.callee
        yield from node.args
        yield from (value for _, value in node.keywords)
    elif isinstance(node, With):
        yield from (item.value for item in node.items)
    elif isinstance(node, (If, Assert)):
        yield node.test
    elif isinstance(node, (Loop, Match)):
        yield node.value
    elif isinstance(node, Access):
        yield node.ref
        if node.value is not None:
            yield node.value
    elif isinstance(node, (Jump, Suspend)) and node.value is not None:
        yield node.value


def node_refs(node: Node) -> Iterator[Ref]:
    """Every name in the values of the node."""
    for value in values(node):
        yield from refs(value)
