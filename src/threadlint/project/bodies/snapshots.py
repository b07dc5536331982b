"""Copies of a container followed by emptying it: what is added between the two is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from threadlint.facts.model import Access, Call, Kind, Many, Ref, Root, Value
from threadlint.project.bodies.uses import Act, Use, Uses
from threadlint.project.locks.locks import Step
from threadlint.project.names.things import Func

_COPIERS = frozenset({"list", "tuple", "set", "frozenset", "dict", "sorted", "deque"})

_MAKERS = _COPIERS | {"defaultdict", "OrderedDict", "Counter"}


@dataclass(frozen=True, slots=True)
class Emptied:
    """A copy of `ref` at one step, and the use that empties it at a later one; nothing else stands for the items in between."""

    func: Func
    ref: Ref
    copied: int
    emptying: Use


@dataclass(slots=True)
class Snapshots:
    """Finds them, function by function."""

    uses: Uses
    steps: Callable[[Func], list[Step]]

    def of(self, func: Func) -> Iterator[Emptied]:
        """At most one for each place that empties a container."""
        emptying = [use for use in self.uses.acts(func) if self._empties(use, func)]
        if not emptying:
            return
        copies = list(self._copies(func))
        steps = self.steps(func)
        for use in emptying:
            around = steps[use.step].context
            for number, ref in reversed(copies):
                context = steps[number].context
                if (
                    ref == use.ref
                    and number < use.step
                    and len(around) <= len(context)
                    and all(a[0] is b[0] for a, b in zip(around, context, strict=False))
                ):
                    yield Emptied(func, ref, number, use)
                    break

    def _empties(self, use: Use, func: Func) -> bool:
        if use.act is Act.REMOVE:
            return use.how == "clear" or (use.how == "del" and use.key == "[:]")
        return (
            use.act is Act.REBIND
            and bool(use.ref.path or use.ref.root == Root.GLOBAL)
            and self._is_empty(use.value, func)
        )

    def _is_empty(self, value: Value | None, func: Func) -> bool:
        if isinstance(value, Many):
            return not value.items
        if isinstance(value, Ref) and value.root == Root.RESULT and not value.path:
            call = self.uses.types.links.calls[func.id].get(int(value.name))
            return call is not None and isinstance(call.callee, Ref) and not call.args and _name(call.callee) in _MAKERS
        return False

    def _copies(self, func: Func) -> Iterator[tuple[int, Ref]]:
        """The steps that copy all items of a container: `list(xs)`, `xs.copy()`, `xs[:]`, or a loop over it."""
        for number, step in enumerate(self.steps(func)):
            node = step.node
            if isinstance(node, Call) and isinstance(node.callee, Ref):
                callee = node.callee
                if not callee.path and _name(callee) in _COPIERS and len(node.args) == 1:
                    for ref in self.uses.gone_through(node.args[0], func):
                        yield number, ref
                elif callee.path[-1:] == ("copy",) and not node.args:
                    yield number, self.uses.home(callee.receiver, func)
            elif isinstance(node, Access) and node.kind == Kind.READ and node.ref.path[-1:] == ("[:]",):
                yield (
                    number,
                    self.uses.home(node.ref.receiver, func),
                )
        for use in self.uses.acts(func):
            if use.act is Act.ITERATE and use.how in {"for", "comprehension"}:
                yield use.step, use.ref


def _name(callee: Ref) -> str:
    return callee.name.rpartition(".")[2]
