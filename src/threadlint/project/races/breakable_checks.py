"""Which pairs of test and action another thread can come between, and what shows that one may.

Evidence is one of: the program starts threads that meet there; a lock guards the location elsewhere; the container locks its own methods, or the state its own
setter, so that single steps are safe and only the pair is not; a snapshot of a variable of the whole program, whose items may be gone by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from threadlint.facts.model import Call, Loop, Many, Ref, Root, Span
from threadlint.project.bodies.checks import Check, Checks, Condition
from threadlint.project.bodies.uses import Act, Use, Uses, location_name
from threadlint.project.locks.entry_locks import EntryLocks
from threadlint.project.locks.locks import Step
from threadlint.project.names.identity import Identity
from threadlint.project.names.things import ClassThing, Cls, Container, Func, FunctionThing, Object
from threadlint.project.names.thread_keys import keyed_by_thread, names_thread
from threadlint.project.races.expectations import Expectations
from threadlint.project.races.guards import Guard, default_binding
from threadlint.project.races.meetings import Meetings
from threadlint.project.roots.confinement import Confinement
from threadlint.project.roots.thread_roots import Spawn

_DEEP = 3
_MAKERS = frozenset({"list", "dict", "set", "defaultdict", "OrderedDict", "deque", "Counter"})


@dataclass(frozen=True, slots=True)
class Broken:
    """A check, the evidence in a clause, and what happens; `span` is the action as it stands in the function."""

    check: Check
    span: Span
    why: str
    harm: str
    other: Use | None = None
    roots: tuple[Spawn, ...] = ()


@dataclass(slots=True)
class BreakableChecks:
    """Finds them."""

    checks: Checks
    uses: Uses
    steps: Callable[[Func], list[Step]]
    callees: Callable[[Func, Call], tuple[FunctionThing | ClassThing, ...]]
    entry: EntryLocks
    guards: dict[str, Guard]
    meetings: Meetings
    identity: Identity
    expectations: Expectations
    confinement: Confinement

    def all(self, functions: Iterable[Func]) -> Iterator[Broken]:
        """One for each test, at most."""
        for func in functions:
            if func.is_module or func.id in self.entry.owned or self.entry.ever.get(func.id):
                continue
            told: set[Span] = set()
            for check in (*self.checks.of(func), *self._snapshots(func)):
                if check.act.span in told or self._locked(check):
                    continue
                if keyed_by_thread(self.uses.types, func, check.condition.key.strip("[]")):
                    continue
                found = self._judge(check)
                if found is not None:
                    told.add(check.act.span)
                    yield found
            yield from self._states(func)

    def _locked(self, check: Check) -> bool:
        steps = self.steps(check.func)
        held = (*steps[check.condition.step].held, *steps[check.act.step].held)
        return any(one.lock.permits < 2 for one in held) or self.confinement.of(check.act)

    def _judge(self, check: Check) -> Broken | None:
        harm = self._harm(check)
        if not harm:
            return None
        return (
            self._inside_locked(check, harm)
            or self._guarded(check, harm)
            or self._met(check, harm)
            or self._swept(check, harm)
        )

    def _harm(self, check: Check) -> str:
        """What goes wrong; empty where doing it twice does no harm, or another rule tells."""
        condition, act = check.condition, check.act
        if act.act is Act.REMOVE:
            listed = self.uses.kind(act.ref, act.func) in {"list", "deque"}
            error = ("ValueError" if act.how == "remove" else "IndexError") if listed else "KeyError"
            return f"when another thread removes it in between, this raises {error}"
        if condition.absent and condition.key and act.act is Act.ADD:
            what = self.identity.of(act.value, act.func) or self._fresh(act)
            return f"two threads can both add one ({what}), and keep different ones" if what else ""
        return ""

    def _fresh(self, act: Use) -> str:
        """A new container that others fill: the one that is replaced takes its items along."""
        value = act.value
        if isinstance(value, Many) and not value.items and value.kind in _MAKERS:
            return f"a new {value.kind}"
        if isinstance(value, Ref) and value.root == Root.RESULT and not value.path:
            call = self.uses.types.links.calls[act.func.id].get(int(value.name))
            callee = call.callee if call is not None and not call.args else None
            if isinstance(callee, Ref) and callee.name.rpartition(".")[2] in _MAKERS and not callee.path:
                return f"a new {callee.name.rpartition('.')[2]}"
        return ""

    def _inside_locked(self, check: Check, harm: str) -> Broken | None:
        """The container is an object of the program that takes a lock in its own methods."""
        things = self.uses.types.of(check.condition.ref, check.func)
        if any(isinstance(thing, Container) for thing in things):
            return None
        for thing in things:
            if (
                isinstance(thing, Object)
                and isinstance(thing.type, Cls)
                and self.expectations.locks(thing.type)
                and not self._own(check, thing.type)
            ):
                lock = min(self.expectations.locks(thing.type))
                return Broken(
                    check, check.act.span, f"although `{thing.type.facts.name}` takes `{lock}` for each of them", harm
                )
        return None

    def _own(self, check: Check, cls: Cls) -> bool:
        owner = self.uses.types.owner(check.func)
        return owner is not None and cls in self.uses.types.mro(owner)

    def _guarded(self, check: Check, harm: str) -> Broken | None:
        """Most accesses to the location hold a lock, these do not."""
        location = self.meetings.sharing.location(
            check.act.ref, check.func, default_binding(check.func, self.uses.types)
        )
        guard = self.guards.get(location.key) if location is not None else None
        if guard is None or not any(one.use.func is check.func for one in guard.outside):
            return None
        other = next((one.use for one in guard.inside if one.use.act in {Act.REMOVE, Act.ADD, Act.REBIND}), None)
        return Broken(
            check,
            check.act.span,
            f"and `{guard.text}`, which {len(guard.inside)} of {guard.total} accesses hold, is not held",
            harm,
            other,
        )

    def _met(self, check: Check, harm: str) -> Broken | None:
        """Threads that the program starts meet here."""
        acts = (Act.REMOVE, check.act.act)
        race = self.meetings.against(check.act, acts)
        if race is None:
            return None
        name, second = location_name(check.act.ref), race.second
        theirs = (use for use in self.uses.acts(second.func) if use.step == second.step)
        other = next((use for use in theirs if use.act in acts and location_name(use.ref) == name), None)
        return Broken(
            check,
            check.act.span,
            "in code that runs on several threads",
            harm,
            other if other is not check.act else None,
            race.roots,
        )

    def _swept(self, check: Check, harm: str) -> Broken | None:
        """Items of a snapshot of something global, deleted one by one: who else sweeps deletes the same."""
        if not isinstance(check.branch, Loop) or not self.expectations.is_global(check.act.ref, check.func):
            return None
        if check.func.facts.name.startswith("_") and not self.expectations.on_threads(check.func):
            return None  # only the module itself calls it, and not from several threads as far as one sees
        why = self.expectations.of(check.act.ref, check.func)
        return Broken(check, check.act.span, why, harm) if why else None

    def _snapshots(self, func: Func) -> Iterator[Check]:
        """`for key in list(d): ... del d[key]`: the copy says that the key was there."""
        steps = self.steps(func)
        for number, step in enumerate(steps):
            loop = step.node
            if not isinstance(loop, Loop) or loop.kind != "for" or len(loop.targets) > 2 or not loop.targets:
                continue
            container = self._copied(loop, func)
            if container is None:
                continue
            condition = Condition(container, f"[{loop.targets[0].name}]", absent=False, step=number, span=loop.span)
            for use in self.uses.acts(func):
                inside = any(outer is loop for outer, _ in steps[use.step].context)
                if inside and self.checks.relies(use, condition, func):
                    yield Check(func, condition, loop, use)
                    break

    def _copied(self, loop: Loop, func: Func) -> Ref | None:
        value = loop.value
        if not isinstance(value, Ref) or value.root != Root.RESULT or value.path:
            return None
        call = self.uses.types.links.calls[func.id].get(int(value.name))
        callee = call.callee if call is not None else None
        if (
            call is not None
            and isinstance(callee, Ref)
            and callee.root == Root.BUILTIN
            and callee.name in {"list", "tuple", "sorted"}
            and len(call.args) == 1
        ):
            return next(iter(self.uses.gone_through(call.args[0], func)), None)
        if isinstance(callee, Ref) and callee.path[-1:] == ("copy",):
            return self.uses.home(callee.receiver, func)
        return None

    def _states(self, func: Func) -> Iterator[Broken]:
        """`if self.state == NEW: self._start()` where `_start` sets the state, and setting it takes a lock."""
        steps = self.steps(func)
        for number, branch, condition in self.checks.states(func):
            if (
                steps[number].held
                or not condition.absent
                or (condition.ref.root == Root.VAR and not condition.ref.path)
            ):
                continue
            if names_thread(self.uses.types, func, condition.other):
                continue  # no other thread can make the test come out differently
            lock = self._state_lock(condition.ref, func)
            if not lock:
                continue
            for inside in self.checks.region(steps, number, branch, when_true=True):
                node = steps[inside].node
                if isinstance(node, Call) and not steps[inside].held:
                    setter = self._sets(node, func, location_name(condition.ref), _DEEP)
                    if setter is not None and self._does_more(node, func):
                        check = Check(func, condition, branch, setter)
                        yield Broken(
                            check,
                            node.span,
                            f"although setting it takes `{lock}`",
                            "two threads can both pass the test and both go on",
                            setter,
                        )
                        return

    def _state_lock(self, ref: Ref, func: Func) -> str:
        """The lock under which the attribute is set: by its property's setter, or wherever it is assigned."""
        cls = self.expectations.owner(ref, func)
        if cls is None or not self.expectations.locks(cls):
            return ""
        for variant in self.uses.types.links.method_variants.get(cls.id, {}).get(location_name(ref), ()):
            held = [one for step in self.steps(variant) for one in step.held]
            if held:
                return held[0].lock.text
        location = self.meetings.sharing.location(ref, func, default_binding(func, self.uses.types))
        guard = self.guards.get(location.key) if location is not None else None
        return guard.text if guard is not None and all(one.use.act is not Act.REBIND for one in guard.outside) else ""

    def _sets(self, call: Call, func: Func, name: str, depth: int) -> Use | None:
        """The assignment to the attribute that the call leads to."""
        if not depth:
            return None
        for thing in self.callees(func, call):
            if isinstance(thing, FunctionThing) and thing.func is not func:
                for target in (thing.func, *self._overrides(thing.func)):
                    for use in self.uses.acts(target):
                        if use.act is Act.REBIND and use.ref.path and location_name(use.ref) == name:
                            return use
                    for inner in self.uses.types.links.calls[target.id].values():
                        found = self._sets(inner, target, name, depth - 1)
                        if found is not None:
                            return found
        return None

    def _does_more(self, call: Call, func: Func) -> bool:
        """Whether the call does anything but set the state: that may be done twice."""
        targets = [
            target
            for thing in self.callees(func, call)
            if isinstance(thing, FunctionThing)
            for target in (thing.func, *self._overrides(thing.func))
        ]
        return any(self.uses.types.links.calls[target.id] for target in targets)

    def _overrides(self, func: Func) -> Iterator[Func]:
        cls = self.uses.types.owner(func)
        for sub in self.uses.types.subclasses(cls) if cls is not None else ():
            found = self.uses.types.links.methods.get(sub.id, {}).get(func.facts.name)
            if found is not None:
                yield found
