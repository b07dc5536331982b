"""Which values are more than what they look like: threads, locks, queues, connections, files, and objects that own one."""

from __future__ import annotations

from dataclasses import dataclass, field

from threadlint.facts.model import Call, Ref, Root, Value
from threadlint.knowledge.identity import FACTORIES, IDENTITY
from threadlint.knowledge.stdlib import LOCKS
from threadlint.project.names.things import Cls, External, Func, Object, Thing
from threadlint.project.names.types import Types

_DEEP = 2


@dataclass(slots=True)
class Identity:
    """Answers by value."""

    types: Types
    _classes: dict[tuple[str, int], str] = field(default_factory=dict)
    _stores: dict[str, list[tuple[str, Func, Value, bool]]] = field(default_factory=dict)
    _locks: dict[str, frozenset[str]] = field(default_factory=dict)

    def of(self, value: Value | None, func: Func) -> str:
        """What the value is, as people call it, where two of them are not as good as one; empty otherwise, and where it is not known."""
        for thing in self.types.of(value, func):
            found = self._thing(thing, _DEEP)
            if found:
                return found
        call = self._made(value, func)
        if call is not None:
            for thing in self.types.of(call.callee, func):
                if isinstance(thing, External) and thing.name in FACTORIES:
                    return f"{thing.name.removeprefix('builtins.')}()"
        return ""

    def locks(self, cls: Cls) -> frozenset[str]:
        """The names of the attributes of the class, and of its bases, that hold locks between threads."""
        known = self._locks.get(cls.id)
        if known is None:
            found: set[str] = set()
            for base in self.types.mro(cls):
                if isinstance(base, Cls):
                    found |= {
                        name for name, things, _ in self._attributes(base) if any(_is_lock(thing) for thing in things)
                    }
            known = self._locks[cls.id] = frozenset(found)
        return known

    def _made(self, value: Value | None, func: Func) -> Call | None:
        if isinstance(value, Ref) and value.root == Root.RESULT and not value.path:
            return self.types.links.calls[func.id].get(int(value.name))
        return None

    def _thing(self, thing: Thing, depth: int) -> str:
        if not isinstance(thing, Object):
            return ""
        if isinstance(thing.type, str):
            return thing.type if thing.type in IDENTITY else ""
        if self.types.derives(thing.type, IDENTITY):
            return thing.type.facts.name
        return thing.type.facts.name if self._owns(thing.type, depth) else ""

    def _owns(self, cls: Cls, depth: int) -> str:
        """The attribute of the class that bears an identity."""
        known = self._classes.get((cls.id, depth))
        if known is None:
            self._classes[cls.id, depth] = ""
            known = ""
            for base in self.types.mro(cls):
                if not known and depth and isinstance(base, Cls):
                    known = next(
                        (
                            name
                            for name, things, own in self._attributes(base)
                            if own and any(self._thing(thing, depth - 1) for thing in things)
                        ),
                        "",
                    )
            self._classes[cls.id, depth] = known
        return known

    def _attributes(self, cls: Cls) -> list[tuple[str, tuple[Thing, ...], bool]]:
        """What the methods of the class make themselves and assign to attributes of `self` (true), and what its body does (false)."""
        if not self._stores:
            for name, stores in self.types.links.attributes.items():
                for where, access in stores:
                    if isinstance(access.value, Ref) and access.value.root == Root.RESULT:
                        own = access.ref.path == (name,) and access.ref.name == self.types.self_name(where)
                        owner = where.facts.cls if own else ".".join([access.ref.name, *access.ref.path[:-1]])
                        self._stores.setdefault(f"{where.module.name}:{owner}", []).append(
                            (name, where, access.value, own)
                        )
        return [(name, self.types.of(value, where), own) for name, where, value, own in self._stores.get(cls.id, ())]


def _is_lock(thing: Thing) -> bool:
    return (
        isinstance(thing, Object)
        and isinstance(thing.type, str)
        and thing.type in LOCKS
        and LOCKS[thing.type].world == "threads"
    )
