"""Who calls whom: calls found by name alone, and calls resolved through types."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Call, Many, Ref, Root, Value
from threadlint.knowledge.stdlib import CONSTRUCTORS, EXECUTOR_METHODS, FUNCTIONS, POOL_METHODS
from threadlint.project.names.linker import Links, absolute
from threadlint.project.names.things import Func

_BASES_UP = 6


@dataclass(slots=True)
class NamedCalls:
    """Calls that name their callee (`f(x)`, `self.m(x)`, `Class(x)`, `submit(f, x)`), found without knowing any types.

    They tell what a parameter is given. Calls through other receivers (`obj.m(x)`) are left out: to find those, types must be known first.
    """

    links: Links
    _by_place: dict[tuple[str, str], list[tuple[Func, Call, int]]] | None = None
    _answers: dict[str, tuple[tuple[Func, Call, int], ...]] = field(default_factory=dict)

    def of(self, func: Func) -> Iterable[tuple[Func, Call, int]]:
        """The calls of the function: (caller, call, how many leading parameters the receiver fills)."""
        known = self._answers.get(func.id)
        if known is None:
            if self._by_place is None:
                self._by_place = self._collect()
            known = self._answers[func.id] = tuple(self._find(func))
        return known

    def _find(self, func: Func) -> Iterator[tuple[Func, Call, int]]:
        assert self._by_place is not None
        module, facts = func.module.name, func.facts
        if facts.cls:
            for caller, call, _ in self._by_place.get((f"{module}:{facts.cls}", facts.name), ()):
                yield caller, call, 1
            if facts.name == "__init__":
                for caller, call, _ in self._by_place.get((module, facts.cls), ()):
                    yield caller, call, 1
        elif facts.owner:
            yield from self._by_place.get((f"{module}:{facts.owner}", facts.name), ())
        else:
            yield from self._by_place.get((module, facts.name), ())

    def _collect(self) -> dict[tuple[str, str], list[tuple[Func, Call, int]]]:
        found: dict[tuple[str, str], list[tuple[Func, Call, int]]] = defaultdict(list)
        for func_id, calls in self.links.calls.items():
            func = self.links.funcs[func_id]
            for call in calls.values():
                for place in self._places(call.callee, func):
                    found[place].append((func, call, 0))
                for handed in (_handed_over(call), _initializer(call)):
                    if handed is not None:
                        target, inner = handed
                        for place in self._places(target, func):
                            found[place].append((func, inner, 0))
        return found

    def _places(self, value: Value, func: Func) -> Iterator[tuple[str, str]]:
        if not isinstance(value, Ref):
            return
        if value.root == Root.VAR:
            if not value.path:
                yield f"{func.module.name}:{value.owner}", value.name
            elif len(value.path) == 1:
                owner = self.links.funcs.get(f"{func.module.name}:{value.owner}")
                if (
                    owner is not None
                    and owner.facts.cls
                    and owner.facts.params
                    and owner.facts.params[0].name == value.name
                ):
                    yield from self._inherited(owner.module.name, owner.facts.cls, value.path[0])
        elif value.root == Root.SUPER and len(value.path) == 1:
            yield from self._above(func, value)
        elif value.root in (Root.GLOBAL, Root.IMPORT):
            place = absolute(self.links, func.module, value)
            if place.root == Root.GLOBAL and len(place.path) <= 1:
                yield place.owner, ".".join([place.name, *place.path])

    def _above(self, func: Func, value: Ref) -> Iterator[tuple[str, str]]:
        """`super().m(x)`: the method of the nearest base that has it, as far as bases are named by plain names."""
        cls = self.links.classes.get(f"{func.module.name}:{value.owner}")
        for _ in range(_BASES_UP):
            bases = [base for base in cls.facts.bases if isinstance(base, Ref)] if cls is not None else []
            if cls is None or not bases:
                return
            place = absolute(self.links, cls.module, bases[0])
            cls = self.links.classes.get(f"{place.owner}:{place.name}")
            if cls is not None and value.path[0] in self.links.methods.get(cls.id, {}):
                yield cls.id, value.path[0]
                return

    def _inherited(self, module: str, cls: str, method: str) -> Iterator[tuple[str, str]]:
        """The class itself, or the base of the same file that defines the method."""
        yield f"{module}:{cls}", method


def _initializer(call: Call) -> tuple[Value, Call] | None:
    """`Pool(4, f, (a,))`, `ThreadPoolExecutor(initializer=f, initargs=(a,))`: what each worker of the pool calls first."""
    callee = call.callee
    last = (callee.path[-1] if callee.path else callee.name.rpartition(".")[2]) if isinstance(callee, Ref) else ""
    if not last.endswith(("Pool", "PoolExecutor")):
        return None
    at = 1 if last.endswith("Pool") else 2
    target = call.argument(at, "initializer")
    given = call.argument(at + 1, "initargs")
    if target is None:
        return None
    args = given.items if isinstance(given, Many) and not given.repeated else ()
    return target, Call(call.id, call.span, target, args)


def _handed_over(call: Call) -> tuple[Value, Call] | None:
    """`submit(f, a)`, `Thread(target=f, args=(a,))`: the callable, and the call that the thread will make."""
    callee = call.callee
    if not isinstance(callee, Ref):
        return None
    last = callee.path[-1] if callee.path else callee.name.rpartition(".")[2]
    starter = next((s for name, s in CONSTRUCTORS.items() if name.rpartition(".")[2] == last), None)
    if last == "Process":
        starter = CONSTRUCTORS["threading.Thread"]  # the same signature
    starter = starter or next((s for name, s in FUNCTIONS.items() if name.rpartition(".")[2] == last), None)
    starter = starter or EXECUTOR_METHODS.get(last) or POOL_METHODS.get(last)
    if last in ("run_in_executor", "call_soon_threadsafe", "to_thread", "partial"):
        skip = 1 if last == "run_in_executor" else 0
        return (
            (call.args[skip], Call(call.id, call.span, call.args[skip], call.args[skip + 1 :], call.keywords))
            if len(call.args) > skip
            else None
        )
    if starter is None:
        return None
    target = call.argument(starter.target, starter.keyword)
    if target is None:
        return None
    if starter.repeats:
        return None
    if starter.args or starter.args_at >= 0:
        given = call.argument(starter.args_at, starter.args)
        args = given.items if isinstance(given, Many) and not given.repeated else ()
        return target, Call(call.id, call.span, target, args)
    return target, Call(
        call.id, call.span, target, call.args[starter.target + 1 :], call.keywords, starred=call.starred
    )
