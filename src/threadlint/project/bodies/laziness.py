"""Values that do their work later: generators, lazy wrappers and live views, and the locations that they go through then.

Source: the language reference, 6.2.8 (only the first iterable of a generator expression is evaluated at once), and the library reference on
`map`, `filter`, `zip` and dictionary views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from threadlint.facts.model import Access, Call, Kind, Loop, Many, Ref, Root, Span, Value, is_inside, walk
from threadlint.knowledge.containers import LAZY, VIEWS
from threadlint.project.bodies.uses import Act, Uses
from threadlint.project.locks.locks import Step
from threadlint.project.names.things import External, Func, FunctionThing
from threadlint.project.names.types import Types


@dataclass(frozen=True, slots=True)
class Later:
    """Something that a value does later: `what` it is (`generator`, `view`, `map`, ...), and the location that it goes through, named in `func`.

    `span` is where it does so, `whole` the expression that puts it off, in the function that was asked about.
    """

    what: str
    ref: Ref
    func: Func
    span: Span
    whole: Span


@dataclass(slots=True)
class Laziness:
    """Answers for values in a function."""

    types: Types
    uses: Uses
    steps: Callable[[Func], list[Step]]

    def of(self, value: Value | None, func: Func, around: Span) -> Iterator[Later]:
        """What the value, written inside the span `around`, goes through when somebody goes through the value."""
        if isinstance(value, Many) and value.kind == "generator":
            yield from self._generator(func, around)
        elif isinstance(value, Ref) and value.root == Root.RESULT and not value.path:
            call = self.types.links.calls[func.id].get(int(value.name))
            if call is not None:
                yield from self._call(call, func)
        elif (
            isinstance(value, Ref) and value.root == Root.VAR and not value.path and value.owner == func.facts.qualname
        ):
            yield from self._bound(value, func)

    def _bound(self, name: Ref, func: Func) -> Iterator[Later]:
        """A local name that is bound just once stands for what it is bound to."""
        bound = [
            access
            for _, access in self.types.links.bindings.get((func.id, name.name), ())
            if access.form != "annotation"
        ]
        if len(bound) == 1 and not bound[0].form:
            value = bound[0].value
            if isinstance(value, Many) or (isinstance(value, Ref) and value.root == Root.RESULT):
                yield from self.of(value, func, bound[0].span)

    def _generator(self, func: Func, around: Span) -> Iterator[Later]:
        loops = [
            node
            for node in walk(func.facts.body)
            if isinstance(node, Loop) and node.kind == "generator" and is_inside(node.span, around)
        ]
        for loop in loops[:1]:
            for ref in self.uses.gone_through(loop.value, func):
                yield Later("generator", ref, func, loop.span, loop.span)
            for node in walk(loop.body):
                if isinstance(node, Access) and node.kind == Kind.READ and node.ref.path:
                    ref = node.ref
                    if ref.path[-1].startswith("["):
                        ref = ref.receiver
                    yield Later("generator", ref, func, node.span, loop.span)

    def _call(self, call: Call, func: Func) -> Iterator[Later]:
        callee = call.callee
        if isinstance(callee, Ref) and callee.path and callee.path[-1] in VIEWS and not call.args:
            receiver = self.uses.home(callee.receiver, func)
            if self.uses.kind(receiver, func) == "dict":
                yield Later("view", receiver, func, call.span, call.span)
            return
        for thing in self.types.of(callee, func):
            if isinstance(thing, External) and thing.name in LAZY:
                for value in call.args:
                    for ref in self.uses.gone_through(value, func):
                        yield Later(thing.name.rpartition(".")[2], ref, func, call.span, call.span)
            elif isinstance(thing, FunctionThing) and thing.func.facts.is_generator and not thing.func.facts.decorators:
                yield from self._function(thing.func, call.span)

    def _function(self, target: Func, whole: Span) -> Iterator[Later]:
        """A call of a generator function runs nothing of its body; what stands under a lock of its own is left out."""
        steps = self.steps(target)
        for use in self.uses.of(target):
            if use.act is Act.ITERATE and not steps[use.step].held:
                yield Later(f"`{target.facts.name}()`", use.ref, target, use.span, whole)


__all__ = ["Later", "Laziness"]
