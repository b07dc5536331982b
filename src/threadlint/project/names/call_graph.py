"""Who calls whom: calls found by name alone, and calls resolved through types."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Call, Many, Ref, Root, Value
from threadlint.knowledge.stdlib import CONSTRUCTORS, EXECUTOR_METHODS, FUNCTIONS, POOL_METHODS, Starter
from threadlint.project.names.linker import Links, absolute
from threadlint.project.names.mentions import callee_name
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
        for func in self.links.ordered():
            for call in self.links.calls[func.id].values():
                for place in self._places(call.callee, func):
                    found[place].append((func, call, 0))
                for target, inner in _handed(call):
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


def _by_last_name() -> dict[str, Starter]:
    found: dict[str, Starter] = {**POOL_METHODS, **EXECUTOR_METHODS}
    for table in (FUNCTIONS, CONSTRUCTORS):
        found.update({name.rpartition(".")[2]: starter for name, starter in reversed(table.items())})
    return found | {"Process": CONSTRUCTORS["threading.Thread"]}  # the same signature


_STARTERS = _by_last_name()
_FOLLOWED_BY_ARGUMENTS = {"run_in_executor": 1, "call_soon_threadsafe": 0, "to_thread": 0, "partial": 0}
"""Functions that take the arguments of the callable after it, and where they take the callable."""


def _handed(call: Call) -> Iterator[tuple[Value, Call]]:
    """What the call hands over to be called, each with the call that will be made."""
    last = callee_name(call.callee)
    if last not in _STARTERS and last not in _FOLLOWED_BY_ARGUMENTS and _has_target(call):
        last = "Thread"
    if last in _STARTERS or last in _FOLLOWED_BY_ARGUMENTS:
        handed = _handed_over(call, last)
        if handed is not None:
            yield handed
    if last.endswith(("Pool", "PoolExecutor")):
        handed = _initializer(call, last)
        if handed is not None:
            yield handed


def _has_target(call: Call) -> bool:
    """`Worker(target=f, args=(a,))`: whatever the class is called, it takes what a thread takes."""
    names = {name for name, _ in call.keywords} if len(call.keywords) > 1 else ()
    return "target" in names and "args" in names


def _initializer(call: Call, last: str) -> tuple[Value, Call] | None:
    """`Pool(4, f, (a,))`, `ThreadPoolExecutor(initializer=f, initargs=(a,))`: what each worker of the pool calls first."""
    at = 1 if last.endswith("Pool") else 2
    target = call.argument(at, "initializer")
    given = call.argument(at + 1, "initargs")
    if target is None:
        return None
    args = given.items if isinstance(given, Many) and not given.repeated else ()
    return target, Call(call.id, call.span, target, args)


def _handed_over(call: Call, last: str) -> tuple[Value, Call] | None:
    """`submit(f, a)`, `Thread(target=f, args=(a,))`: the callable, and the call that the thread will make."""
    skip = _FOLLOWED_BY_ARGUMENTS.get(last)
    if skip is not None:
        return (
            (call.args[skip], Call(call.id, call.span, call.args[skip], call.args[skip + 1 :], call.keywords))
            if len(call.args) > skip
            else None
        )
    starter = _STARTERS[last]
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
