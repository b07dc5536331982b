"""Variables that a function reads when it runs, and that the loop around its creation has by then bound anew.

Source: the language reference, 4.2 ("Naming and binding": free variables are looked up when the code runs), and the programming FAQ, "Why do
lambdas defined in a loop with different values all return the same result?".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from threadlint.facts.model import Access, Call, Const, Kind, Loop, Node, Ref, Root, Span, children
from threadlint.knowledge.stdlib import EXECUTORS, POOLS, QUEUES
from threadlint.project.locks.locks import Step
from threadlint.project.names.things import Func, FunctionThing, Object
from threadlint.project.names.types import Types
from threadlint.project.names.values import node_refs

_DEEP = 3
_COMPREHENSIONS = ("comprehension", "generator")
_WAITS = frozenset({"result", "exception", "wait", "shutdown", "as_completed"})


@dataclass(frozen=True, slots=True)
class Late:
    """The variable `name` is read at `read` in `func`; the loop binds it at `bound`."""

    name: str
    func: Func
    read: Span
    loop: Loop
    bound: Span


@dataclass(slots=True)
class LateBinding:
    """Answers for callables that a step of a function hands over to be run later."""

    types: Types
    steps: Callable[[Func], list[Step]]
    callees: Callable[[Func, Call], tuple[object, ...]]

    def of(self, func: Func, call: Call, target: Func) -> Late | None:
        """The first variable of `func` that `target`, handed over by the call, reads too late."""
        if target.module is not func.module or (target.facts.owner != func.facts.qualname and not func.is_module):
            return None
        steps = self.steps(func)
        at = next((number for number, step in enumerate(steps) if step.node is call), None)
        if at is None or not steps[at].loops:
            return None
        reads = self._reads(target, func, set())
        for loop in reversed(steps[at].loops):
            bound = _bound(loop, steps[at].loops)
            for (name, _), (where, span) in reads.items():
                if name in bound and not self._ends_within(func, steps, at, loop, call):
                    return Late(name, where, span, loop, bound[name])
        return None

    def _reads(self, target: Func, func: Func, seen: set[str]) -> dict[tuple[str, str], tuple[Func, Span]]:
        """The variables of `func` that the target, or a function beside it that it calls, reads and does not set."""
        found: dict[tuple[str, str], tuple[Func, Span]] = {}
        if target.id in seen or len(seen) > _DEEP:
            return found
        seen.add(target.id)
        written: set[str] = set()
        for step in self.steps(target):
            node = step.node
            for ref in node_refs(node):
                if _is_of(ref, func):
                    if isinstance(node, Access) and node.kind != Kind.READ and not node.ref.path:
                        written.add(ref.name)
                    else:
                        found.setdefault((ref.name, target.id), (target, node.span))
            if isinstance(node, Call):
                for thing in self.callees(target, node):
                    if (
                        isinstance(thing, FunctionThing)
                        and thing.func.module is func.module
                        and thing.func.facts.owner == func.facts.qualname
                    ):
                        for key, place in self._reads(thing.func, func, seen).items():
                            found.setdefault(key, place)
        return {key: place for key, place in found.items() if key[0] not in written}

    def _ends_within(self, func: Func, steps: list[Step], at: int, loop: Loop, call: Call) -> bool:
        """Whether the callable has run before the loop's next turn, or there is no next turn."""
        if call.use.startswith("awaited"):
            return True
        around = steps[at].context
        inner = around[next(n for n, (node, _) in enumerate(around) if node is loop) + 1 :]
        if any(self._waits_at_end(node, func) for node, _ in inner):
            return True
        for step in steps[at + 1 :]:
            if not any(node is loop for node, _ in step.context):
                return False
            if self._waits(step.node, func) or _leaves(step, around, loop):
                return True
        return False

    def _waits_at_end(self, node: Node, func: Func) -> bool:
        """`with ThreadPoolExecutor() as pool:` inside the loop."""
        pools = {*EXECUTORS, *POOLS}
        return any(
            isinstance(thing, Object) and thing.type in pools
            for item in getattr(node, "items", ())
            for thing in self.types.of(item.value, func)
        )

    def _waits(self, node: Node, func: Func) -> bool:
        if getattr(node, "kind", "") == "await":
            return True
        if not isinstance(node, Call) or not isinstance(node.callee, Ref):
            return False
        callee = node.callee
        last = callee.path[-1] if callee.path else callee.name.rpartition(".")[2]
        if last in _WAITS:
            return True
        if last == "join":
            return not node.args and not node.keywords
        if last != "get" or not callee.path:
            return False
        receiver = callee.receiver
        waited = {*QUEUES, "multiprocessing.pool.AsyncResult"}
        return not node.args or any(
            isinstance(thing, Object) and thing.type in waited for thing in self.types.of(receiver, func)
        )


def _is_of(ref: Ref, func: Func) -> bool:
    if ref.root == Root.GLOBAL:
        return func.is_module
    return ref.root == Root.VAR and ref.owner == func.facts.qualname


def _bound(loop: Loop, around: tuple[Loop, ...]) -> dict[str, Span]:
    """The names that each turn of the loop binds anew, and where."""
    found: dict[str, Span] = {}
    for node in _nodes(loop.body, around):
        if (
            isinstance(node, Access)
            and not node.ref.path
            and node.kind in (Kind.WRITE, Kind.UPDATE)
            and node.form not in _DEFINING
            and not isinstance(node.value, Const)
        ):
            found.setdefault(node.ref.name, node.span)
    return found


_DEFINING = frozenset({"def", "class", "import", "annotation", "except", "param"})


def _nodes(nodes: tuple[Node, ...], around: tuple[Loop, ...]) -> Iterator[Node]:
    for node in nodes:
        yield node
        if isinstance(node, Loop) and node.kind in _COMPREHENSIONS and not any(node is one for one in around):
            continue
        for inner in children(node):
            yield from _nodes(inner, around)


def _leaves(step: Step, around: tuple[tuple[Node, str], ...], loop: Loop) -> bool:
    """`break` or `return` on the way that the spawn is on."""
    kind = getattr(step.node, "kind", "")
    if kind not in ("break", "return", "raise") or (kind == "break" and step.loops[-1:] != (loop,)):
        return False
    return len(step.context) <= len(around) and all(
        one[0] is other[0] and one[1] == other[1] for one, other in zip(step.context, around, strict=False)
    )
