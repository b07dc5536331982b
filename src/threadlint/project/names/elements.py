"""What functions put into containers, found by the container's place: one index by name, since many containers of a program may have one name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from threadlint.facts.model import Ref, Root, Value
from threadlint.project.names.linker import Links, absolute
from threadlint.project.names.things import Func

Place = tuple[object, ...]
Stored = tuple[Value | None, Func]
"""A value that is put into a container, and the function that does it."""


@dataclass(slots=True)
class Elements:
    """Answers by container."""

    links: Links
    _by_name: dict[str, dict[Place, list[Stored]]] = field(default_factory=dict)

    def of(self, container: Ref, func: Func) -> Sequence[Stored]:
        """Elements put into the container anywhere: `xs.append(v)`, `d[k] = v`, `d.setdefault(k, v)`."""
        last = next((step for step in reversed(container.path) if not step.startswith("[")), container.name)
        stored = self._by_name.get(last)
        if stored is None:
            stored = self._by_name[last] = self._collect(last)
        return stored.get(self._place(container, func), ()) if stored else ()

    def _collect(self, last: str) -> dict[Place, list[Stored]]:
        found: dict[Place, list[Stored]] = {}
        for where, access in self.links.element_stores.get(last, ()):
            found.setdefault(self._place(access.ref.receiver, where), []).append((access.value, where))
        for where, call in self.links.growing.get(last, ()):
            if isinstance(call.callee, Ref):
                given = call.args[-1] if call.args else None
                found.setdefault(self._place(call.callee.receiver, where), []).append((given, where))
        return found

    def _place(self, ref: Ref, func: Func) -> Place:
        """A name for a container that is the same in all functions: attributes of an instance by class."""
        own = self_name(func)
        if ref.root == Root.VAR and ref.path and own and ref.name == own and ref.owner == func.facts.qualname:
            return ("self", func.module.name, func.facts.cls, ref.path)
        found = absolute(self.links, func.module, ref)
        return (found.root, found.owner, found.name, found.path)


def self_name(func: Func) -> str:
    """The name of the parameter that holds the instance; empty for functions and static methods."""
    if not func.facts.cls or not func.facts.params or func.facts.params[0].kind != "pos":
        return ""
    if any(isinstance(d, Ref) and d.name in ("staticmethod", "classmethod") for d in func.facts.decorators):
        return ""
    return func.facts.params[0].name
