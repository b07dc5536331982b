"""Who ends a wait: whether an event is set, or a condition notified, anywhere; and changes that end a wait's loop but wake nobody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Access, Call, Const, If, Jump, Kind, Logic, Node, Ref, Root, Suspend, Value, walk
from threadlint.project.bodies.uses import Act, Use, Uses
from threadlint.project.locks.entry_locks import EntryLocks
from threadlint.project.locks.lock_calls import node_refs
from threadlint.project.locks.locks import Step
from threadlint.project.names.call_graph import NamedCalls
from threadlint.project.names.linker import Links
from threadlint.project.names.things import ClassThing, Func
from threadlint.project.names.types import Types
from threadlint.project.names.values import refs
from threadlint.project.roots.pools import Pools
from threadlint.project.roots.thread_roots import Spawn
from threadlint.project.signals.predicates import Predicates, State, meet
from threadlint.project.signals.signals import Origin, SignalCall, Signals

GIVING = {"event": ("set",), "condition": ("notify", "notify_all")}
"""By kind: the methods that end a wait."""

_ROUNDS = 12
_HANDED_ON = "()"
"""Stands among the names of a signal that some function of the project is given."""
_SETTING_UP = frozenset({"setUp", "setUpClass", "asyncSetUp", "setup", "setup_method", "setup_class"})
"""Methods that run before the threads of a test do."""


@dataclass(slots=True)
class Answers:
    """Answers for waits."""

    links: Links
    types: Types
    signals: Signals
    predicates: Predicates
    uses: Uses
    entry: EntryLocks
    pools: Pools
    named: NamedCalls
    steps: Callable[[Func], list[Step]]
    spawns: tuple[Spawn, ...]
    _escaping: dict[Origin, bool] = field(default_factory=dict)
    _kept: dict[str, frozenset[Origin]] = field(default_factory=dict)
    """the signals in attributes of this name"""
    _by_name: dict[str, dict[Origin | None, list[Func]]] = field(default_factory=dict)
    _names: dict[Origin, set[str]] = field(default_factory=dict)

    def nobody(self, wait: SignalCall) -> bool:
        """Whether nothing in the program can end the wait: the signal is given nowhere, and goes nowhere that is not seen."""
        if len(wait.origins) != 1 or any(self.signals.on(wait.origins, wait.type.kind, *GIVING[wait.type.kind])):
            return False
        origin = next(iter(wait.origins))
        if origin not in self._escaping:
            self._escaping[origin] = self._escapes(origin)
        return not self._escaping[origin] and (wait.type.kind != "event" or self._is_meant(wait, origin))

    def _is_meant(self, wait: SignalCall, origin: Origin) -> bool:
        """Whether somebody was to set the event: it is kept in an attribute, or handed on. One that only its maker knows is a way to wait for ever."""
        names = self._names[origin]
        kept = any(name in self.links.attributes for name in names)
        return wait.type.world != "tasks" and (kept or len(names) > 1)

    def _escapes(self, origin: Origin) -> bool:
        """Whether the signal may be given by somebody who is not seen; followed by the names that it gets."""
        frame = self.links.funcs[origin[0]]
        made = self.links.calls[frame.id][origin[1]]
        names = self._names[origin] = set()
        told = {name for names in GIVING.values() for name in names} | {"notifyAll"}
        for _ in range(_ROUNDS):
            before = len(names)
            naming = (func for name in sorted(names) for func in self._naming(name, origin, told))
            for func in dict.fromkeys((frame, *naming)):
                for step in self.steps(func):
                    if self._leaves(step, func, origin, made, names, told):
                        return True
            if len(names) == before:
                return not names or any(not self._is_own(name, origin) for name in names)
        return True

    def _naming(self, name: str, origin: Origin, told: set[str]) -> Iterator[Func]:
        """The functions in which the name can be this signal, or is one of which nothing is known."""
        known = self._by_name.get(name)
        if known is None:
            known = self._by_name[name] = defaultdict(list)
            for func in self.links.mentions.functions([name]):
                for found in {
                    found for step in self.steps(func) for found in self._named_in(step.node, func, name, told)
                }:
                    known[found].append(func)
        yield from known.get(origin, ())
        yield from known.get(None, ())

    def _named_in(self, node: Node, func: Func, name: str, told: set[str]) -> Iterator[Origin | None]:
        """The signals that the name stands for in the node; None where one of which nothing is known is given."""
        for ref in node_refs(node):
            for one in (ref, ref.receiver) if ref.path else (ref,):
                if self._named(one, (name,)):
                    yield from self.signals.origins(one, func)
        callee = node.callee if isinstance(node, Call) else None
        if not isinstance(callee, Ref) or not callee.path or callee.path[-1] not in told:
            return
        if self._named(callee.receiver, (name,)) and not self.types.of(callee.receiver, func):
            yield None

    def _is_own(self, name: str, origin: Origin) -> bool:
        """Whether only the project uses the name: a private attribute, or a variable."""
        if name.startswith("_"):
            return True
        if name not in self._kept:
            stores = self.links.attributes.get(name, ())
            self._kept[name] = frozenset().union(*(self.signals.origins(one.value, where) for where, one in stores))
        return origin not in self._kept[name]

    def _leaves(self, step: Step, func: Func, origin: Origin, made: Call, names: set[str], told: set[str]) -> bool:
        """Whether the step lets the signal go where it is not seen; names that it gets are added."""
        node = step.node

        def is_it(value: Value | None) -> bool:
            return any(self._means(ref, func, origin, made, names) for ref in refs(value))

        if isinstance(node, Access):
            if node.value is None or node.kind == Kind.READ or not is_it(node.value):
                return self._handed(node.ref, func, origin, names, told) if node.kind == Kind.READ else False
            names.add(node.ref.path[-1] if node.ref.path else node.ref.name)
            return bool(node.ref.path) and node.ref.path[-1].startswith("[")
        if isinstance(node, (Jump, Suspend)):
            return isinstance(node.value, Ref) and is_it(node.value) and node.value.root != Root.RESULT
        if not isinstance(node, Call):
            return False
        given = (*node.args, *(value for _, value in node.keywords))
        if any(self._handed(ref, func, origin, names, told) for value in given for ref in refs(value)):
            return True
        if isinstance(node.callee, Ref) and node.callee.path and node.callee.path[-1] in told:
            return self._named(node.callee.receiver, names) and not self.types.of(node.callee.receiver, func)
        if not any(is_it(value) for value in given):
            return False
        targets = [thing.func for thing in self.types.functions(node.callee, func)]
        targets += [
            init
            for thing in self.types.of(node.callee, func)
            if isinstance(thing, ClassThing) and (init := self.types.method(thing.cls, "__init__")) is not None
        ]
        targets += [
            spawn.target.func
            for spawn in self.spawns
            if spawn.call is node
            and spawn.func is func
            and any(is_it(value) for value in (*spawn.args, *(value for _, value in spawn.keywords)))
        ]
        names.update(param.name for target in targets for param in target.facts.params)
        names.update([_HANDED_ON] if targets else ())
        return not targets

    def _named(self, ref: Ref, names: Container[str]) -> bool:
        return (ref.path[-1] if ref.path else ref.name) in names

    def _means(self, ref: Ref, func: Func, origin: Origin, made: Call, names: set[str]) -> bool:
        if ref.root == Root.RESULT:
            return func.id == origin[0] and ref == made.result
        return self._named(ref, names) and origin in self.signals.origins(ref, func)

    def _handed(self, ref: Ref, func: Func, origin: Origin, names: set[str], told: set[str]) -> bool:
        """`Timer(1, ready.set)`: the method itself is handed to somebody."""
        return (
            ref.path[-1:] != ()
            and ref.path[-1] in told
            and self._named(ref.receiver, names)
            and origin in self.signals.origins(ref.receiver, func)
        )

    # changes that wake nobody

    def unheard(self, wait: SignalCall) -> Iterator[tuple[State, Use]]:
        """Changes of a flag that would end the wait's loop, made by functions that notify nobody, before or after."""
        notifying = {call.func.id for call in self.signals.on(wait.origins, "condition", *GIVING["condition"])}
        if not notifying or not wait.origins:
            return
        ends = dict(self._ends(wait))
        looked = frozenset().union(*(self.predicates.of(loop.value, wait.func) for loop in wait.step.loops))
        for func in self.links.functions_of(wait.func.module) if ends else ():
            if func is wait.func or func.id in self.entry.owned or func.facts.name in _SETTING_UP or func.is_module:
                continue
            for use in self.uses.acts(func):
                state = self.predicates.state(use.ref, func)
                if (
                    use.act is Act.REBIND
                    and isinstance(use.value, Const)
                    and state in ends
                    and bool(use.value.value) is ends[state]
                    and self._same_self(func, wait.func, state)
                    and not self._asks_first(func, use, looked - {state})
                    and not self._told(func, notifying)
                ):
                    yield state, use

    def _asks_first(self, func: Func, use: Use, others: frozenset[State]) -> bool:
        """Whether the function leaves before the change by a test of what else the waiter's loop looks at: `if self.state == CLOSING: return`.

        unsound: which of the answers lets it go on is not compared with the loop.
        """
        return any(
            isinstance(step.node, If)
            and any(_goes(one) for branch in (step.node.body, step.node.orelse) for one in branch[-1:])
            and meet(self.predicates.of(step.node.test, func), others)
            for step in self.steps(func)[: use.step]
        )

    def _same_self(self, func: Func, other: Func, state: State) -> bool:
        return state[0] != "self" or func.facts.cls == other.facts.cls

    def _told(self, func: Func, notifying: set[str]) -> bool:
        """Whether the function, what it calls, or what calls it notifies."""
        if notifying & self.pools.reached(func).keys():
            return True
        callers = {caller.id: caller for caller, _, _ in self.named.of(func)}
        return any(notifying & self.pools.reached(caller).keys() for caller in callers.values())

    def _ends(self, wait: SignalCall) -> Iterator[tuple[State, bool]]:
        """The flags that end the loop around the wait, and the value with which they do."""
        func = wait.func
        if wait.method == "wait_for":
            for thing in self.types.functions(wait.call.argument(0, "predicate"), func):
                for node in walk(thing.func.facts.body):
                    if isinstance(node, Jump) and node.kind == "return" and node.value is not None:
                        yield from self._flags(node.value, thing.func, wanted=True)
            return
        for loop in wait.step.loops:
            if loop.kind == "while":
                yield from self._flags(loop.value, func, wanted=False)
            for node in loop.body:
                if isinstance(node, If) and any(_goes(one) for one in node.body[-1:]):
                    yield from self._flags(node.test, func, wanted=True)

    def _flags(self, test: Value, func: Func, *, wanted: bool) -> Iterator[tuple[State, bool]]:
        """The flags one of which is enough to make the test true, or false."""
        if isinstance(test, Logic) and test.op == "not":
            yield from self._flags(test.items[0], func, wanted=not wanted)
        elif isinstance(test, Logic) and test.op == ("or" if wanted else "and"):
            for item in test.items:
                yield from self._flags(item, func, wanted=wanted)
        elif isinstance(test, Ref) and test.root != Root.RESULT and not any(step.startswith("[") for step in test.path):
            state = self.predicates.state(test, func)
            if state:
                yield state, wanted


def _goes(node: object) -> bool:
    return isinstance(node, Jump) and node.kind in ("break", "return", "raise")
