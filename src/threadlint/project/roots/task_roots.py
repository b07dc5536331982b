"""Where asyncio tasks start: every place that runs a coroutine beside others, what it runs, and how many can be under way at once.

The tasks of one event loop never run in parallel: they take turns, and another can run only where one stops (`await`, `async for`, `async with`, `yield` of an
asynchronous generator). So they are roots of their own, apart from those of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from threadlint.facts.model import Call, Ref, Root, Suspend, Value
from threadlint.knowledge.event_loops import (
    ALL,
    CONNECTION,
    CONNECTIONS,
    DECORATORS,
    EVENT,
    EVENT_CLASSES,
    METHODS,
    NURSERIES,
    NURSERY_METHODS,
    REQUEST,
    ROUTES,
    STARTERS,
)
from threadlint.knowledge.frameworks import Runner
from threadlint.project.locks.locks import Step
from threadlint.project.names.linker import Links
from threadlint.project.names.mentions import callee_name
from threadlint.project.names.things import External, Func
from threadlint.project.names.types import Types
from threadlint.project.roots.coroutines import Coroutine, Coroutines, is_coroutine_function
from threadlint.project.roots.framework_roots import FrameworkRoots
from threadlint.project.roots.thread_roots import Spawn

_ROUTE_NAMES = frozenset(name.rpartition(".")[2] for name in (*ROUTES, *CONNECTIONS))
_NAMES = _ROUTE_NAMES | NURSERY_METHODS | {"create_task"}


@dataclass(slots=True)
class TaskRoots:
    """Finds them."""

    links: Links
    types: Types
    steps: Callable[[Func], list[Step]]
    frameworks: FrameworkRoots
    coroutines: Coroutines

    def all(self) -> Iterator[Spawn]:
        """Every task whose coroutine function is one of the project."""
        for func in self.links.ordered():
            for call in self.links.calls[func.id].values():
                if self._may_start(call, func):
                    yield from self._started(func, call)
                    yield from self._routed(func, call)
            runner = self._runner(func)
            if runner is not None:
                yield replace(self.frameworks.root(func, runner), kind="framework")

    def _may_start(self, call: Call, func: Func) -> bool:
        """Whether the call is worth a closer look, which most are not."""
        callee = call.callee
        if type(callee) is not Ref or callee.root is Root.BUILTIN:
            return False
        return callee_name(callee) in _NAMES or any(
            type(thing) is External and thing.name in STARTERS for thing in self.types.of(callee, func)
        )

    # tasks that the program starts

    def _started(self, func: Func, call: Call) -> Iterator[Spawn]:
        where = self.starter(call, func)
        if where is None:
            if self._in_nursery(call, func):
                yield from self._called_soon(func, call)
            return
        given: Sequence[Value]
        value = call.argument(where[0], where[1]) if where[0] != ALL else None
        given = call.args if where[0] == ALL else () if value is None else (value,)
        found = [one for value in given for one in self.coroutines.of(value, func)]
        if len(found) == 1 and call.use.startswith("awaited") and where[0] != ALL:
            return  # `await create_task(f())`: the task waits for the other, as for a call
        for one in found:
            yield self._spawn(func, call, one)

    def starter(self, call: Call, func: Func) -> tuple[int, str] | None:
        """Where the call, if it makes tasks, has its coroutines; a `create_task` of an unknown object is taken for a loop's."""
        callee = call.callee
        if not isinstance(callee, Ref):
            return None
        last = callee.path[-1] if callee.path else callee.name.rpartition(".")[2]
        things = self.types.of(callee, func)
        for thing in things:
            if isinstance(thing, External) and thing.name in STARTERS:
                return STARTERS[thing.name]
        return (0, "coro") if last == "create_task" and not things else None

    def _in_nursery(self, call: Call, func: Func) -> bool:
        callee = call.callee
        return (
            isinstance(callee, Ref)
            and callee.path[-1:] != ()
            and callee.path[-1] in NURSERY_METHODS
            and any(
                isinstance(thing, External) and thing.name.rpartition(".")[0] in NURSERIES
                for thing in self.types.of(callee, func)
            )
        )

    def _called_soon(self, func: Func, call: Call) -> Iterator[Spawn]:
        for target in self.types.functions(call.argument(0), func):
            if is_coroutine_function(target.func):
                yield self._spawn(func, call, Coroutine(Call(call.id, call.span, call.callee, call.args[1:]), target))

    def _spawn(self, func: Func, call: Call, coroutine: Coroutine) -> Spawn:
        steps = self.steps(func)
        at = _number(steps, call.id)
        made = _number(steps, coroutine.call.id)
        loops = steps[made].loops if steps else ()
        end = at if call.use.startswith("awaited") else self._awaited(steps, at, call)
        if end >= 0:
            # the loops around both the start and the wait do not make more of them: each turn waits for its own
            around = steps[at].loops if steps[at].loops == steps[end].loops else ()
            loops = tuple(loop for loop in loops if loop not in around)
        return Spawn(
            func,
            Call(coroutine.call.id, coroutine.call.span, coroutine.call.callee, coroutine.call.args),
            "task",
            coroutine.target,
            coroutine.call.args,
            coroutine.call.keywords,
            loops,
            many=bool(loops) or coroutine.each,
            distinct=coroutine.each,
            begin=at,
            end=end,
        )

    def _awaited(self, steps: list[Step], at: int, call: Call) -> int:
        """The step that awaits the task under the name that it was given at once; -1 where there is none."""
        names = {call.result}
        for number in range(at + 1, len(steps)):
            node = steps[number].node
            value = getattr(node, "value", None)
            if isinstance(node, Suspend) and node.kind == "await" and isinstance(value, Ref) and value in names:
                return number
            ref = getattr(node, "ref", None)
            if isinstance(value, Ref) and value in names and isinstance(ref, Ref) and not ref.path:
                names.add(ref)
        return -1

    # tasks that servers and frameworks start

    def _routed(self, func: Func, call: Call) -> Iterator[Spawn]:
        callee = call.callee
        if (
            not isinstance(callee, Ref)
            or (callee.path[-1] if callee.path else callee.name.rpartition(".")[2]) not in _ROUTE_NAMES
        ):
            return
        for thing in self.types.of(callee, func):
            if not isinstance(thing, External):
                continue
            place = ROUTES.get(thing.name) or CONNECTIONS.get(thing.name)
            if place is not None:
                runner = REQUEST if thing.name in ROUTES else CONNECTION
                for target in self.types.functions(call.argument(*place), func):
                    if is_coroutine_function(target.func):
                        yield self.frameworks.root(target.func, replace(runner, fresh=False))

    def _runner(self, func: Func) -> Runner | None:
        if not is_coroutine_function(func):
            return None
        for decorator in func.facts.decorators:
            known = sorted(self.frameworks.names(decorator, func) & DECORATORS.keys())
            if known:
                return DECORATORS[known[0]]
        cls = self.types.owner(func)
        for base in self.types.mro(cls) if cls is not None else ():
            if isinstance(base, str) and base in METHODS and func.facts.name in METHODS[base][0]:
                return METHODS[base][1]
            if base in EVENT_CLASSES and func.facts.name.startswith("on_"):
                return EVENT
        return None


def _number(steps: list[Step], call: int) -> int:
    return next(
        (number for number, step in enumerate(steps) if isinstance(step.node, Call) and step.node.id == call), 0
    )
