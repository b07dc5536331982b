"""Which plain functions run on an event loop: those that coroutines call, directly or through other plain functions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from threadlint.facts.model import Call, If, Ref, Root, Suspend, Value
from threadlint.knowledge.blocking import LOOP_PROBES
from threadlint.knowledge.event_loops import STARTERS
from threadlint.project.locks.locks import Step
from threadlint.project.names.linker import Links
from threadlint.project.names.mentions import last_part
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import ClassThing, Func, FunctionThing, Object
from threadlint.project.names.types import Types
from threadlint.project.names.values import refs

_DEEP = 5
_PROBES = frozenset(name.rpartition(".")[2] for name in LOOP_PROBES)
_STARTERS = frozenset({*(name.rpartition(".")[2] for name in STARTERS), "wait_for", "shield", "run_until_complete"})


@dataclass(frozen=True, slots=True)
class Via:
    """How a function is first reached: by this call in that function."""

    caller: Func
    call: Call
    depth: int


@dataclass(slots=True)
class LoopCalls:
    """Answers by function. Functions that find out whether a loop runs, and calls that hang on a parameter, are not followed."""

    links: Links
    types: Types
    steps: Callable[[Func], list[Step]]
    callees: Callable[[Func, Call], tuple[FunctionThing | ClassThing, ...]]
    _routes: dict[str, Via] | None = field(default=None)

    def route(self, func: Func) -> tuple[tuple[Func, Call], ...] | None:
        """The calls that lead from a coroutine to the function, outermost first; none for a coroutine; None for what no coroutine calls."""
        routes = self._routes if self._routes is not None else self._search()
        found: list[tuple[Func, Call]] = []
        while not func.facts.is_async:
            via = routes.get(func.id)
            if via is None:
                return None
            found.append((via.caller, via.call))
            func = via.caller
        return tuple(reversed(found))

    def _search(self) -> dict[str, Via]:
        self._routes = found = {}
        todo = deque((func, 0) for func in self.links.ordered() if func.facts.is_async and not in_tests(func))
        while todo:
            func, depth = todo.popleft()
            if depth >= _DEEP or self.probes(func):
                continue
            run = self.run_elsewhere(func)
            for step in self.steps(func):
                node = step.node
                if not isinstance(node, Call) or node.id in run or self.optional(func, step):
                    continue
                for thing in self.callees(func, node):
                    target = self._body(thing)
                    if target is not None and target.id not in found and _is_plain(target):
                        found[target.id] = Via(func, node, depth + 1)
                        todo.append((target, depth + 1))
        return found

    def run_elsewhere(self, func: Func) -> set[int]:
        """The numbers of the calls whose results the function awaits or makes tasks of: those are coroutines, whatever else the name can mean."""
        calls = self.links.calls[func.id]
        values: list[Value | None] = [call.result for call in calls.values() if call.use.startswith("awaited")]
        for call in calls.values():
            if last_part(call.callee) in _STARTERS:
                values += [*call.args, *(value for _, value in call.keywords)]
        for step in self.steps(func):
            if isinstance(step.node, Suspend):
                values.append(step.node.value)
        named = {ref for value in values for ref in refs(value)}
        bound = [
            access.value
            for ref in named
            if ref.root == Root.VAR and not ref.path
            for where, access in self.links.bindings.get((func.id, ref.name), ())
            if where is func
        ]
        return {int(ref.name) for value in (*named, *bound) for ref in refs(value) if ref.root == Root.RESULT}

    def _body(self, thing: FunctionThing | ClassThing) -> Func | None:
        return thing.func if isinstance(thing, FunctionThing) else self.types.method(thing.cls, "__init__")

    def probes(self, func: Func) -> bool:
        """Whether the function finds out for itself whether it runs on a loop."""
        if func.facts.is_async:
            return False
        return any(last_part(call.callee) in _PROBES for call in self.links.calls[func.id].values()) or any(
            "async" in (ref.name, *ref.path)[-1].lower()
            for step in self.steps(func)
            if isinstance(step.node, If)
            for ref in refs(step.node.test)
        )

    def waits_for_own(self, call: Call, func: Func) -> bool:
        """Whether the call waits for the result of a coroutine that was handed to the loop of the function itself."""
        callee = call.callee
        if not isinstance(callee, Ref) or callee.path[-1:] not in (("result",), ("exception",)):
            return False
        found = False
        for thing in self.types.of(callee.receiver, func):
            if not isinstance(thing, Object) or thing.call is None or thing.frame is None:
                return False
            if last_part(thing.call.callee) != "run_coroutine_threadsafe" or not self._own_loop(
                thing.call, thing.frame
            ):
                return False
            found = True
        return found

    def _own_loop(self, call: Call, func: Func) -> bool:
        """Whether the loop that the coroutine is handed to is the one that runs where it is asked for."""
        loops = self.types.of(call.argument(1, "loop"), func)
        return bool(loops) and all(
            isinstance(loop, Object)
            and loop.call is not None
            and loop.frame is not None
            and last_part(loop.call.callee) in ("get_running_loop", "get_event_loop")
            and (loop.frame is func or loop.frame.facts.is_async)
            for loop in loops
        )

    def optional(self, func: Func, step: Step) -> bool:
        """Whether a parameter decides if the step runs: another caller may mean another value."""
        if func.facts.is_async:
            return False
        params = {param.name for param in func.facts.params} - {self.types.self_name(func)}
        return any(isinstance(node, If) and _names(node.test, params, func) for node, _ in step.context)


def _names(test: Value, params: set[str], func: Func) -> bool:
    return any(
        ref.root == Root.VAR and ref.owner == func.facts.qualname and ref.name in params and not ref.path
        for ref in refs(test)
    )


def _is_plain(func: Func) -> bool:
    """Whether a call runs the body at once, in the caller's thread: no coroutine, no generator, nothing that a decorator may move elsewhere."""
    facts = func.facts
    plain = {"staticmethod", "classmethod", "override", "wraps", "abstractmethod", "final", "overload"}
    return not (facts.is_async or facts.is_generator or func.is_module) and all(
        isinstance(one, Ref) and (one.name.rpartition(".")[2], *one.path)[-1] in plain for one in facts.decorators
    )
