"""Which local names of a function stand for an object that it hands to a thread it starts, and still has itself: the two share the object from then on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from threadlint.facts.model import Access, Loop, Ref, Root, Value, walk
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import Cls, Func, Object
from threadlint.project.names.types import Types
from threadlint.project.roots.thread_roots import Spawn
from threadlint.project.roots.tokens import HANDED, Token, made_by


@dataclass(slots=True)
class Handed:
    """Answers by function: what each such name is, under the `id` that the object has in the thread.

    Only instances of the project's classes that the function has made itself, under a name that it binds once; what each turn of a loop makes anew
    belongs to the thread of that turn.
    """

    types: Types
    spawns_in: Callable[[Func], tuple[Spawn, ...]]
    _answers: dict[str, Mapping[str, Token]] = field(default_factory=dict)

    def of(self, func: Func) -> Mapping[str, Token]:
        """The names, and what they are."""
        known = self._answers.get(func.id)
        if known is None:
            spawns = () if func.is_module else self.spawns_in(func)
            known = self._answers[func.id] = dict(self._find(func, spawns)) if spawns and not in_tests(func) else {}
        return known

    def _find(self, func: Func, spawns: tuple[Spawn, ...]) -> Iterator[tuple[str, Token]]:
        for spawn in spawns:
            for ref in self._given(spawn):
                bound = self._bound(ref, func, spawn.loops)
                made = self._made(bound.value, func) if bound is not None else ""
                if made:
                    yield ref.name, Token(HANDED, made)

    def _given(self, spawn: Spawn) -> Iterator[Ref]:
        """The local names that the thread gets: as arguments, as the object whose method it runs, and as variables of the function around its own."""
        if spawn.kind == "framework" or (spawn.many and not spawn.loops) or spawn.distinct:
            return
        home = spawn.func.facts.qualname
        for value in (*spawn.args, *(value for _, value in spawn.keywords), spawn.target.receiver):
            if isinstance(value, Ref) and value.root == Root.VAR and not value.path and value.owner == home:
                yield value
            elif isinstance(value, Ref) and value.root == Root.RESULT and not value.path:
                yield from (
                    node.ref
                    for node in walk(spawn.func.facts.body)
                    if isinstance(node, Access)
                    and node.value == value
                    and node.ref.root == Root.VAR
                    and not node.ref.path
                )
        if spawn.target.func.facts.owner == home:
            yield from (Ref(Root.VAR, name, (), home) for name in sorted(spawn.func.facts.captured))

    def _bound(self, ref: Ref, func: Func, loops: tuple[Loop, ...]) -> Access | None:
        """Where the name is bound, if that is one place, before the loop that starts the threads."""
        if any(param.name == ref.name for param in func.facts.params):
            return None
        found = [
            access
            for _, access in self.types.links.bindings.get((func.id, ref.name), ())
            if access.form != "annotation"
        ]
        if len(found) != 1 or found[0].form or any(_within(found[0], loop) for loop in loops):
            return None
        return found[0]

    def _made(self, value: Value | None, func: Func) -> str:
        things = self.types.of(value, func)
        thing = things[0] if len(things) == 1 else None
        if (
            not isinstance(thing, Object)
            or not isinstance(thing.type, Cls)
            or thing.call is None
            or thing.frame is not func
            or value != thing.call.result
        ):
            return ""
        return made_by(func.id, thing.call.id)


def _within(access: Access, loop: Loop) -> bool:
    return loop.span[:2] <= access.span[:2] and access.span[2:] <= loop.span[2:]
