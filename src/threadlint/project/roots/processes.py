"""Where processes and interpreters are given work: `Process(target=f)`, subclasses of `Process`, pools and executors, and what they run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Call, Many, Ref, Root, Value
from threadlint.knowledge.primitives import PRIMITIVES
from threadlint.knowledge.stdlib import LOOP_TYPES, Starter
from threadlint.project.bodies.contents import Contents
from threadlint.project.locks.locks import Step
from threadlint.project.names.callables import HANDING, handed_over
from threadlint.project.names.linker import Links
from threadlint.project.names.things import ClassThing, External, Func, FunctionThing, Object
from threadlint.project.names.types import Types

Calls = Callable[[Func, Step], tuple[tuple[FunctionThing | ClassThing, Call], ...]]

PROCESS = "multiprocessing.Process"
_ELSEWHERE = frozenset({"processes", "interpreters"})


@dataclass(frozen=True, slots=True)
class Handover:
    """One call that hands a callable to a process: its value, its arguments as values in `func`, and whether it runs once for each item of them.

    `kind` is process, pool or executor, `world` processes or interpreters; `name` is the dotted name of what is called.
    """

    func: Func
    call: Call
    kind: str
    world: str
    name: str
    target: Value | None
    args: tuple[Value, ...] = ()
    bound: tuple[Value, ...] = ()
    """arguments that `functools.partial` has given to the callable"""
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class ProcessSpawn:
    """One place that makes a process run a function of the project; `many` says that several at once can come from it."""

    func: Func
    call: Call
    target: FunctionThing
    args: tuple[Value, ...]
    kind: str = "process"
    world: str = "processes"
    many: bool = False

    @property
    def story(self) -> str:
        """How the process is told in messages."""
        where = "another interpreter" if self.world == "interpreters" else "another process"
        verb = {"process": "started as a process", "class": "started as a process"}.get(self.kind, f"handed to {where}")
        again = ", several at a time" if self.many else ""
        return f"`{self.target.func.name}` is {verb} here{again}"


def handovers(links: Links, types: Types, func: Func) -> Iterator[Handover]:
    """The calls of the function that hand a callable to a process or an interpreter."""
    for call in links.calls[func.id].values():
        if not call.args and not call.keywords:
            continue
        for name, starter in handed_over(types, call, func):
            found = _handover(types, func, call, name, starter)
            if found is not None:
                yield found


def _handover(types: Types, func: Func, call: Call, name: str, starter: Starter) -> Handover | None:
    owner = name if name in PRIMITIVES else name.rpartition(".")[0]
    primitive = PRIMITIVES.get(owner)
    if owner in LOOP_TYPES:
        pools = [thing.type for thing in types.of(call.argument(0, "executor"), func) if isinstance(thing, Object)]
        primitive = next((PRIMITIVES[one] for one in pools if isinstance(one, str) and one in PRIMITIVES), None)
    if primitive is None or primitive.world not in _ELSEWHERE:
        return None
    target = call.argument(starter.target, starter.keyword)
    if starter.repeats or not (starter.args or starter.args_at >= 0):
        args = call.args[starter.target + 1 :]
        args += tuple(
            value for key, value in call.keywords if key not in ("chunksize", "timeout", "callback", starter.keyword)
        )
    else:
        given = call.argument(starter.args_at, starter.args)
        named = call.keyword(starter.kwargs) if starter.kwargs else None
        args = tuple(
            one for many in (given, named) if isinstance(many, Many) and not many.repeated for one in many.items
        )
    partial = _partial(types, target, func)
    bound = (*partial.args[1:], *(value for _, value in partial.keywords)) if partial is not None else ()
    return Handover(func, call, primitive.kind, primitive.world, name, target, args, bound, starter.repeats)


def _partial(types: Types, value: Value | None, func: Func) -> Call | None:
    if isinstance(value, Ref) and value.root == Root.RESULT and not value.path:
        call = types.links.calls[func.id].get(int(value.name))
        if call is not None and any(
            isinstance(thing, External) and thing.name == "functools.partial" for thing in types.of(call.callee, func)
        ):
            return call
    return None


def processes(links: Links, types: Types, contents: Contents) -> Iterator[ProcessSpawn]:
    """Every place that makes a process run a function of the project."""
    classes = [cls for cls in links.classes.values() if types.derives(cls, (PROCESS,))]
    for func in contents.callers_of([*HANDING, *classes]):
        looped = links.looped[func.id]
        for one in handovers(links, types, func):
            many = one.repeats or one.call.id in looped
            for target in types.functions(one.target, func):
                yield ProcessSpawn(func, one.call, target, (*one.bound, *one.args), one.kind, one.world, many)
        for call in links.calls[func.id].values():
            for thing in types.of(call.callee, func) if isinstance(call.callee, Ref) else ():
                if isinstance(thing, ClassThing) and types.derives(thing.cls, (PROCESS,)):
                    run = types.method(thing.cls, "run")
                    if run is not None:
                        target = FunctionThing(run, call.result, func)
                        yield ProcessSpawn(func, call, target, (), "class", many=call.id in looped)


@dataclass(slots=True)
class Reached:
    """How processes reach a function: from which spawns, and whether some way to it holds no lock between processes."""

    spawns: dict[int, ProcessSpawn] = field(default_factory=dict)
    bare: bool = False

    @property
    def several(self) -> bool:
        """Whether two processes can run the function at once."""
        return len(self.spawns) > 1 or any(spawn.many for spawn in self.spawns.values())

    @property
    def first(self) -> ProcessSpawn:
        """One of the spawns."""
        return next(iter(self.spawns.values()))


def reached(spawns: tuple[ProcessSpawn, ...], steps: Callable[[Func], list[Step]], calls: Calls) -> dict[str, Reached]:
    """By function id: how processes reach it."""
    found: dict[str, Reached] = {}
    todo: deque[tuple[Func, int, bool]] = deque()
    seen: set[tuple[str, int, bool]] = set()
    for number, spawn in enumerate(spawns):
        todo.append((spawn.target.func, number, True))
    while todo:
        func, number, bare = todo.popleft()
        if (func.id, number, bare) in seen:
            continue
        seen.add((func.id, number, bare))
        one = found.setdefault(func.id, Reached())
        one.spawns[number] = spawns[number]
        one.bare = one.bare or bare
        for step in steps(func):
            for thing, _ in calls(func, step):
                if isinstance(thing, FunctionThing):
                    todo.append((thing.func, number, bare and not guarded(step)))
    return found


def guarded(step: Step) -> bool:
    """Whether a lock that may keep other processes out is held there."""
    return any(one.lock.excludes and (one.lock.kind.world == "processes" or not one.lock.known) for one in step.held)
