"""Which locks are held at each step of a function."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from threadlint.facts.model import (
    Access,
    Assert,
    Call,
    Const,
    If,
    Jump,
    Logic,
    Loop,
    Match,
    Node,
    Operate,
    Ref,
    Root,
    Span,
    Suspend,
    Try,
    Value,
    With,
    walk,
)
from threadlint.knowledge.stdlib import LockType
from threadlint.project.locks.locks import Effects, Held, Lock, Locks, Step, text
from threadlint.project.names.substitution import substitute
from threadlint.project.names.things import Cls, Func, FunctionThing, Object

State = tuple[Held, ...]
_ACQUIRES = frozenset({"acquire", "__enter__"})
_RELEASES = frozenset({"release", "__exit__"})
_BARE = frozenset((name,) for name in _ACQUIRES | _RELEASES)
_PASSIVE = frozenset({Access, Operate, Suspend})
"""Nodes that take no lock and let none go."""


def effects(locks: Locks, func: Func) -> Effects:
    """What calling the function does to the caller's lockset; nothing for the many functions without a bare acquire or release."""
    known = locks.effects.get(func.id)
    if known is None:
        locks.effects[func.id] = known = Effects()
        bare = any(
            isinstance(call.callee, Ref) and call.callee.path[-1:] in _BARE
            for call in locks.types.links.calls[func.id].values()
        )
        if bare:
            flow = Flow(locks, func)
            flow.run()
            left = _meet(list(flow.exits)) or ()
            known = Effects(tuple(one for one in left if not one.lexical), frozenset(flow.freed))
            locks.effects[func.id] = known
    return known


def yielding(locks: Locks, func: Func) -> State:
    """The locks that a `@contextmanager` function holds where it yields."""
    known = locks.yields.get(func.id)
    if known is None:
        # a manager that enters itself again holds nothing new
        locks.yields[func.id] = known = ()
        for step in Flow(locks, func).run():
            if isinstance(step.node, Suspend) and step.node.kind == "yield":
                locks.yields[func.id] = known = step.held
                break
    return known


def decorated(locks: Locks, func: Func) -> State:
    """The locks that decorators of the project hold around the function: their wrapper calls it in a `with`."""
    found: list[Held] = []
    scope = locks.types.scope(func)
    for decorator in func.facts.decorators:
        for thing in locks.types.functions(decorator, scope):
            around = _around(locks, thing.func)
            found.extend(_of_wrapped(locks, _its_own(locks, held, func, decorator), func) for held in around)
    return tuple(found)


def _its_own(locks: Locks, held: Held, func: Func, decorator: Value) -> Held:
    """A lock that the decorator, or a factory of it, makes when it is called: each of these calls makes another."""
    value, module = held.value, held.func.module.name
    if not isinstance(value, Ref) or value.root != Root.VAR or value.path or value.owner == held.func.facts.qualname:
        return held
    made = {thing.frame.id for thing in locks.types.of(value, held.func) if isinstance(thing, Object) and thing.frame}
    if made != {f"{module}:{value.owner}"}:
        return held
    called_here = (
        not isinstance(decorator, Ref) or decorator.root == Root.RESULT or value.owner == held.func.facts.owner
    )
    whose = func.id if called_here else locks.place(decorator, locks.types.scope(func))
    return replace(held, lock=replace(held.lock, key=f"{held.lock.key}@{whose}"))


def _around(locks: Locks, decorator: Func) -> State:
    """The locks that the decorator's wrapper holds where it calls the decorator's parameter."""
    known = locks.wraps.get(decorator.id)
    if known is None:
        locks.wraps[decorator.id] = known = ()
        params = decorator.facts.params
        wrappers = locks.types.links.inner.get(decorator.id, ()) if params else ()
        for wrapper in wrappers:
            for step in Flow(locks, wrapper).run():
                callee = step.node.callee if isinstance(step.node, Call) and step.held else None
                if callee == Ref(Root.VAR, params[0].name, (), decorator.facts.qualname):
                    locks.wraps[decorator.id] = known = step.held
    return known


def _of_wrapped(locks: Locks, held: Held, func: Func) -> Held:
    """The wrapper's `self._lock` is the wrapped method's."""
    value, wrapper = held.value, held.func
    params, own = wrapper.facts.params, locks.types.self_name(func)
    if (
        isinstance(value, Ref)
        and own
        and params
        and (value.root, value.name, value.owner) == (Root.VAR, params[0].name, wrapper.facts.qualname)
    ):
        named = Ref(Root.VAR, own, value.path, func.facts.qualname)
        lock = locks.of(named, func)
        if lock is not None:
            return Held(lock, named, func, func.facts.span)
    return Held(held.lock, value, func, func.facts.span)


@dataclass(slots=True)
class Flow:
    """One pass over a function in the order of evaluation, keeping the lockset: lexical `with`, acquire and release, `try`, branches.

    Where paths meet, only what is held on both stays held.
    """

    locks: Locks
    func: Func
    steps: list[Step] = field(default_factory=list)
    exits: list[State] = field(default_factory=list)
    """the locksets in which the function returns"""
    freed: set[str] = field(default_factory=set)
    """keys of the locks that it releases without having taken them"""
    _tried: dict[str, Held] = field(default_factory=dict)
    _breaks: list[list[State]] = field(default_factory=list)

    def run(self) -> list[Step]:
        """All steps of the function."""
        end = self._block(self.func.facts.body, decorated(self.locks, self.func), ())
        if end is not None:
            self.exits.append(end)
        return self.steps

    def _block(
        self, nodes: tuple[Node, ...], held: State | None, context: tuple[tuple[Node, str], ...]
    ) -> State | None:
        for node in nodes:
            # code after a jump is dead, but its steps still belong to the function
            before = held if held is not None else ()
            self.steps.append(Step(node, before, context))
            if type(node) not in _PASSIVE:
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
            if node.kind == "return":
                self.exits.append(held)
            return None
        if isinstance(node, Assert):
            return held + tuple(self._asserted(node.test))
        return held

    def _call(self, node: Call, held: State) -> State:
        callee = node.callee
        if not isinstance(callee, Ref) or not callee.path:
            return self._called(node, held)
        last = callee.path[-1]
        receiver = callee.receiver
        if last in _RELEASES or last == "unlock":
            lock = self._lock(receiver) if last != "unlock" else self._mutex(receiver)
            if lock is not None:
                for number in range(len(held) - 1, -1, -1):
                    if held[number].lock.key == lock.key:
                        return held[:number] + held[number + 1 :]
                self.freed.add(lock.key)
        elif last in _ACQUIRES or last == "lock":
            lock = self._lock(receiver) if last != "lock" else self._mutex(receiver)
            if lock is not None and (lock.kind.world != "tasks" or node.use.startswith("awaited")):
                taken = Held(lock, receiver, self.func, node.span, lexical=False)
                if _may_fail(node) and node.use != "discarded":
                    self._tried[node.result.name] = taken
                    return held
                return (*held, taken)
        elif last in ("enter_context", "enter_async_context") and node.args:
            lock = self.locks.of(node.args[0], self.func)
            if lock is not None:
                return (*held, Held(lock, node.args[0], self.func, node.span))
        return self._called(node, held)

    def _lock(self, receiver: Ref) -> Lock | None:
        """The lock; `self.acquire()` whose lock is not seen (in `logging.Handler`, say) takes one that is not known."""
        lock = self.locks.of(receiver, self.func)
        types = self.locks.types
        cls = types.owner(self.func)
        own = receiver.root == Root.VAR and not receiver.path and receiver.name == types.self_name(self.func)
        if lock is None and own and cls is not None:
            method = types.method(cls, "acquire")
            if method is None or not effects(self.locks, method).taken:
                return Lock(
                    f"{cls.id}.acquire()", f"{receiver.name}.acquire()", LockType("lock"), reentrant=True, known=False
                )
        return lock

    def _mutex(self, receiver: Ref) -> Lock | None:
        """What the function calls both `lock()` and `unlock()` of, and is no object of the project: a mutex of Qt, say."""
        calls = [call.callee for call in self.locks.types.links.calls[self.func.id].values()]
        methods = {
            callee.path[-1]: callee
            for callee in calls
            if isinstance(callee, Ref) and callee.path and callee.receiver == receiver
        }
        if not {"lock", "unlock"} <= methods.keys() or any(self.locks.types.functions(methods["lock"], self.func)):
            return None
        place = self.locks.place(receiver, self.func)
        return Lock(place, text(receiver), LockType("lock"), reentrant=True, known=False)

    def _called(self, node: Call, held: State) -> State:
        """What a function of the project that takes a lock, and leaves it held (or the reverse), does to the lockset."""
        targets = list(self.locks.types.functions(node.callee, self.func))
        if len(targets) != 1 or targets[0].func is self.func:
            return held
        done = effects(self.locks, targets[0].func)
        held = tuple(one for one in held if one.lexical or one.lock.key not in done.freed)
        return held + tuple(self._from_here(one, targets[0], node, node.span) for one in done.taken)

    def _with(self, node: With, held: State, context: tuple[tuple[Node, str], ...]) -> State | None:
        taken: list[Held] = []
        for item in node.items:
            lock = self.locks.of(item.value, self.func) or self._of_itself(item.value)
            if lock is not None:
                taken.append(Held(lock, item.value, self.func, item.span))
            taken.extend(self._managed(item.value, item.span))
        broken = len(self._breaks[-1]) if self._breaks else 0
        after = self._block(node.body, held + tuple(taken), (*context, (node, "body")))
        if self._breaks:
            self._breaks[-1][broken:] = [_without(state, taken) for state in self._breaks[-1][broken:]]
        return None if after is None else _without(after, taken)

    def _of_itself(self, value: Value) -> Lock | None:
        """`with self:` in a class whose `__enter__` is not seen, since a decorator or a base from elsewhere gives it: it may well hold a lock."""
        types = self.locks.types
        cls = types.owner(self.func)
        own = isinstance(value, Ref) and value.root is Root.VAR and not value.path
        if cls is None or not own or value != Ref(Root.VAR, types.self_name(self.func), (), self.func.facts.qualname):
            return None
        if types.method(cls, "__enter__") is not None:
            return None
        return Lock(f"{cls.id}.__enter__()", types.self_name(self.func), LockType("lock"), reentrant=True, known=False)

    def _managed(self, value: Value, span: Span) -> list[Held]:
        """The locks that a context manager of the project holds: a `@contextmanager` function while it yields, an object from `__enter__` on."""
        found: list[Held] = []
        for thing in self.locks.types.of(value, self.func):
            if not isinstance(thing, Object):
                continue
            if thing.type == "contextlib.contextmanager" and thing.frame is not None and thing.call is not None:
                callee = thing.call.callee
                receiver = callee.receiver if isinstance(callee, Ref) else None
                manager = FunctionThing(thing.frame, receiver, self.func)
                found += [
                    self._from_here(held, manager, thing.call, span) for held in yielding(self.locks, thing.frame)
                ]
            elif isinstance(thing.type, Cls):
                enter = self.locks.types.method(thing.type, "__enter__")
                if enter is not None:
                    call = Call(-1, span, value)
                    taken = effects(self.locks, enter).taken
                    found += [
                        self._from_here(held, FunctionThing(enter, value, self.func), call, span) for held in taken
                    ]
        return found

    def _from_here(self, held: Held, target: FunctionThing, call: Call, span: Span) -> Held:
        """A lock that another function has taken, by the name that this function would give it."""
        value = substitute(held.value, target, call, self.func)
        return Held(held.lock, value if value is not None else held.value, self.func, span, held.lexical)

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
        returned, broken = len(self.exits), len(self._breaks[-1]) if self._breaks else 0
        body = self._block(node.body, held, (*context, (node, "body")))
        ends = [
            self._block(handler.body, held, (*context, (node, f"handler {n}")))
            for n, handler in enumerate(node.handlers)
        ]
        ends.append(self._block(node.orelse, body, (*context, (node, "orelse"))) if node.orelse else body)
        met = _meet(ends)
        if not node.final:
            return met
        for left, since in ((self.exits, returned), *([(self._breaks[-1], broken)] if self._breaks else ())):
            left[since:] = [self._finally_released(node.final, state) for state in left[since:]]
        # `finally` also runs when every path before it has left the block
        after = self._block(node.final, met if met is not None else held, (*context, (node, "final")))
        return after if met is not None else None

    def _finally_released(self, final: tuple[Node, ...], held: State) -> State:
        """What is left of the lockset of a `return` or `break` in the `try` when `finally` has run."""
        released = {
            lock.key
            for node in walk(final)
            if isinstance(node, Call) and isinstance(node.callee, Ref) and node.callee.path[-1:] == ("release",)
            for lock in [self.locks.of(node.callee.receiver, self.func)]
            if lock is not None
        }
        return tuple(one for one in held if one.lock.key not in released)

    def _asserted(self, test: Value) -> list[Held]:
        """`assert lock.locked()`, `assert self._lock._is_owned()`: the caller holds it."""
        if isinstance(test, Ref) and test.root == Root.RESULT:
            call = self.locks.types.links.calls[self.func.id].get(int(test.name))
            if (
                call is not None
                and isinstance(call.callee, Ref)
                and call.callee.path[-1:] in (("locked",), ("_is_owned",))
            ):
                receiver = call.callee.receiver
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


def _without(state: State, taken: list[Held]) -> State:
    """The lockset after the `with` that took these."""
    for one in taken:
        number = next((number for number in range(len(state) - 1, -1, -1) if state[number] is one), -1)
        state = state if number < 0 else state[:number] + state[number + 1 :]
    return state


def _meet(states: list[State | None]) -> State | None:
    alive = [state for state in states if state is not None]
    if not alive:
        return None
    first, *others = alive
    return tuple(
        held for held in first if all(any(held.lock.key == other.lock.key for other in state) for state in others)
    )
