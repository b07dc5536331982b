"""Names that can give what certain calls make, found by name alone: a cheap first look, before types are asked."""

from __future__ import annotations

from threadlint.facts.model import Jump, Ref, Root, Value, walk
from threadlint.project.names.linker import Links
from threadlint.project.names.things import Func
from threadlint.project.names.values import refs

Made = tuple[str, int]
"""A call: the id of the function that it stands in, and its number there."""

_ROUNDS = 3


def last_name(ref: Ref) -> str:
    """The last part of a dotted name."""
    return (ref.path or (ref.name.rpartition(".")[2],))[-1]


def carriers(links: Links, made: set[Made]) -> set[str]:
    """Last names of the variables, attributes and functions that can give what one of the calls makes; types need be asked for no others."""
    names: set[str] = set()
    stores = [*links.bindings.items(), *links.attributes.items()]
    for _ in range(_ROUNDS):
        before = len(names)
        for key, bound in stores:
            name = key if isinstance(key, str) else key[1]
            if name not in names and any(_gives(links, access.value, where, made, names) for where, access in bound):
                names.add(name)
        for func in links.ordered():
            for node in walk(func.facts.body) if func.facts.name not in names else ():
                if type(node) is Jump and node.kind == "return" and _gives(links, node.value, func, made, names):
                    names.add(func.facts.name)
        for exports in links.exports.values():
            names |= {name for name, dotted in exports.items() if dotted.rpartition(".")[2] in names}
        names |= {name for (_, name), maker in links.defaults.items() if maker.facts.name in names}
        if len(names) == before:
            break
    return names


def _gives(links: Links, value: Value | None, func: Func, made: set[Made], names: set[str]) -> bool:
    """Whether the value can be such an object, by the names in it."""
    for ref in refs(value):
        if ref.root == Root.RESULT and not ref.path:
            call = links.calls[func.id].get(int(ref.name))
            callee = call.callee if call is not None else None
            if (func.id, int(ref.name)) in made or (isinstance(callee, Ref) and last_name(callee) in names):
                return True
        elif last_name(ref) in names:
            return True
    return False
