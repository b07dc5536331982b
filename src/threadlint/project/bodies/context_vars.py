"""Which values are context variables, and where each is set and read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from threadlint.facts.model import Access, Call, Kind, Ref, Root, With
from threadlint.project.locks.locks import Step, text
from threadlint.project.names.carriers import Made, carriers
from threadlint.project.names.linker import Links
from threadlint.project.names.mentions import last_part
from threadlint.project.names.things import Func, Object
from threadlint.project.names.types import Types

CONTEXT_VAR = "contextvars.ContextVar"
_METHODS = frozenset({"get", "set", "reset"})


@dataclass(frozen=True, slots=True)
class VarUse:
    """One call of `get()`, `set()` or `reset()`; `var` says which variable (by the call that made it), `text` how this place names it.

    The end of `with var.set(value):` is a `reset()` too; its step is the last one inside.
    """

    var: Made
    method: str
    func: Func
    step: int
    call: Call
    text: str


@dataclass(slots=True)
class ContextVars:
    """Answers by function."""

    links: Links
    types: Types
    steps: Callable[[Func], list[Step]]
    _made: dict[Made, Call] | None = None
    _names: set[str] = field(default_factory=set)
    _answers: dict[str, tuple[VarUse, ...]] = field(default_factory=dict)

    def made(self) -> dict[Made, Call]:
        """Every context variable of the project, and the call that made it."""
        if self._made is None:
            self._made = {
                (func.id, call.id): call
                for func, call in self.links.mentions.calls(["ContextVar"])
                if CONTEXT_VAR in self.types.types(call.result, func)
            }
            self._names = carriers(self.links, set(self._made)) if self._made else set()
        return self._made

    def of(self, func: Func) -> tuple[VarUse, ...]:
        """What the function does to context variables, in the order of evaluation."""
        if not self.made():
            return ()
        known = self._answers.get(func.id)
        if known is None:
            found = list(self._collect(func))
            found.extend(_ends(found, self.steps(func)))
            found.sort(key=lambda use: use.step)
            known = self._answers[func.id] = tuple(found)
        return known

    def _collect(self, func: Func) -> Iterator[VarUse]:
        for number, step in enumerate(self.steps(func)):
            node = step.node
            if not isinstance(node, Call) or not isinstance(node.callee, Ref) or node.callee.path[-1:] == ():
                continue
            receiver = node.callee.receiver
            method = node.callee.path[-1]
            if method not in _METHODS or last_part(receiver) not in self._names:
                continue
            for thing in self.types.of(receiver, func):
                if (
                    isinstance(thing, Object)
                    and thing.type == CONTEXT_VAR
                    and thing.frame is not None
                    and thing.call is not None
                ):
                    yield VarUse((thing.frame.id, thing.call.id), method, func, number, node, text(receiver))


def _ends(uses: list[VarUse], steps: list[Step]) -> Iterator[VarUse]:
    """Where the tokens of `set()` that are context managers, as since Python 3.14 they can be, give the old value back."""
    given = {str(use.call.id): use for use in uses if use.method == "set"}
    if not given:
        return
    for number, step in enumerate(steps):
        node = step.node
        if isinstance(node, Access) and isinstance(node.value, Ref) and node.value.root is Root.RESULT:
            if node.kind == Kind.WRITE and not node.ref.path and node.value.name in given:
                given[f"{node.ref.root} {node.ref.name}"] = given[node.value.name]
        elif isinstance(node, With):
            for item in node.items:
                value = item.value
                name = value.name if isinstance(value, Ref) and value.root is Root.RESULT else ""
                if isinstance(value, Ref) and not value.path:
                    name = name or f"{value.root} {value.name}"
                if name in given:
                    inside = (n for n, one in enumerate(steps) if any(outer is node for outer, _ in one.context))
                    yield replace(given[name], method="reset", step=max(inside, default=number))
