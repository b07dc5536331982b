"""What calls pass on: which locks the called function finds held, and whose the objects are that its parameters get.

All that does not depend on how the calling function was reached is found once for each call; what does, once for each different answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Call, Ref, Root, Value
from threadlint.knowledge.event_loops import POSTING, RUNNING
from threadlint.project.locks.called import Calling
from threadlint.project.locks.locks import Held, Step
from threadlint.project.names.mentions import last_part
from threadlint.project.names.things import ClassThing, Func, FunctionThing
from threadlint.project.roots.coroutines import is_coroutine_function
from threadlint.project.roots.ownership import Ownership
from threadlint.project.roots.tokens import CLOSURE, OWN, Binding, ByParameters, Given, Token, Unknown

_NONE: frozenset[str] = frozenset()


@dataclass(slots=True)
class Passed:
    """One call of one function: the number of its step, the locks that its function takes for it, what it calls (None for a class without a constructor)."""

    number: int
    node: Call
    excluding: tuple[Held, ...]
    called: FunctionThing | None
    made: bool
    """the called function makes an object: its first parameter is new"""
    asleep: bool = False
    """the call only makes a coroutine, which this thread does not run"""
    keys: frozenset[str] = field(init=False)
    matched: tuple[tuple[str, Value | Token], ...] | None = None
    """the parameters that it gives a value"""
    binding: Binding | ByParameters[Binding] | None = None
    """of the called function, as far as it has been asked for"""

    def __post_init__(self) -> None:
        self.keys = frozenset(one.lock.key for one in self.excluding) if self.excluding else _NONE


@dataclass(slots=True)
class Passing:
    """Answers by function and by call."""

    ownership: Ownership
    calling: Callable[[Func], Calling]
    _calls: dict[str, tuple[Passed, ...]] = field(default_factory=dict)
    _bindings: dict[Binding, Binding] = field(default_factory=dict)

    def calls(self, func: Func) -> tuple[Passed, ...]:
        """The calls of the function, in the order of its steps."""
        found = self._calls.get(func.id)
        if found is None:
            found = self._calls[func.id] = tuple(self._find(func))
        return found

    def binding(self, passed: Passed, func: Func, given: Given) -> Binding:
        """Whose the parameters of the called function are, where those of the calling one are bound like this."""
        known = passed.binding
        if isinstance(known, tuple):
            return known
        if known is not None:
            answer = known.of(given)
            if not isinstance(answer, Unknown):
                return answer
        given.asked = set()
        found = self.same(tuple(sorted(self._bind(passed, func, given).items())))
        if not given.asked:
            passed.binding = found
        else:
            passed.binding = known = known or ByParameters()
            known.put(found, given, given.asked)
        return found

    def same(self, binding: Binding) -> Binding:
        """The one object that stands for equal bindings."""
        return self._bindings.setdefault(binding, binding)

    def _bind(self, passed: Passed, func: Func, given: Given) -> dict[str, Token]:
        assert passed.called is not None
        if passed.matched is None:
            passed.matched = self.ownership.matched(passed.called, passed.node.args, passed.node.keywords)
        facts = passed.called.func.facts
        found = self.ownership.bind(passed.matched, func, given)
        if passed.made and facts.params:
            found[facts.params[0].name] = OWN
        closure = given.of(CLOSURE) if facts.owner and facts.owner != func.facts.qualname else None
        if closure is not None:
            found[CLOSURE] = closure
        return found

    def _find(self, func: Func) -> Iterator[Passed]:
        for number, step, targets in self.calling(func):
            excluding = _excluding(step)
            for target, node in targets:
                made = isinstance(target, ClassThing)
                called = self._constructor(target) if isinstance(target, ClassThing) else target
                asleep = called is not None and self._is_asleep(called.func, node, func)
                yield Passed(number, node, excluding, called, made, asleep)

    def _is_asleep(self, called: Func, call: Call, func: Func) -> bool:
        """Whether a plain function makes a coroutine here, and neither it nor what it hands the coroutine to runs it."""
        if func.facts.is_async or not is_coroutine_function(called) or called.facts.decorators:
            return False
        calls = self.ownership.types.links.calls[func.id].values()
        if any(last_part(one.callee) in RUNNING for one in calls):
            return False
        if call.use in ("discarded", "returned"):
            return True
        posted = {value for one in calls if last_part(one.callee) in POSTING for value in one.args}
        if not posted:
            return False
        bound = self.ownership.types.links.bindings
        names = (value for value in posted if type(value) is Ref and value.root is Root.VAR and not value.path)
        return call.result in posted or any(
            access.value == call.result for name in names for _, access in bound.get((func.id, name.name), ())
        )

    def _constructor(self, target: ClassThing) -> FunctionThing | None:
        init = self.ownership.types.method(target.cls, "__init__")
        return FunctionThing(init) if init is not None else None


def _excluding(step: Step) -> tuple[Held, ...]:
    return tuple(one for one in step.held if one.lock.excludes) if step.held else ()
