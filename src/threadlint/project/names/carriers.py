"""Names that can give what certain calls make, found by name alone: a cheap first look, before types are asked."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Jump, Ref, Root, Value, walk
from threadlint.project.names.linker import Links, from_relative
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
    gives = links.gives = links.gives or tuple(_givers(links))
    imported = set(_imported(links))
    for _ in range(_ROUNDS):
        before = len(names)
        for name, sources, calls in gives:
            if name not in names and not (names.isdisjoint(sources) and made.isdisjoint(calls)):
                names.add(name)
        names |= {name for name, last in imported if last in names}
        names |= {name for (_, name), maker in links.defaults.items() if maker.facts.name in names}
        if len(names) == before:
            break
    return names


def _imported(links: Links) -> Iterator[tuple[str, str]]:
    """The names that imports from modules of the project bind, each with the last part of what is imported: they may differ."""
    for module, exports in links.exports.items():
        for name, dotted in exports.items():
            parts = from_relative(links.modules[module], dotted).split(".")
            if name != parts[-1] and any(".".join(parts[:end]) in links.modules for end in range(1, len(parts))):
                yield name, parts[-1]


def _givers(links: Links) -> Iterator[tuple[str, tuple[str, ...], tuple[Made, ...]]]:
    """Each name of a variable, attribute or function, with the last names in one value that it gives, and the calls in it."""
    for key, bound in (*links.bindings.items(), *links.attributes.items()):
        name = key if isinstance(key, str) else key[1]
        for where, access in bound:
            sources, calls = _sources(links, access.value, where)
            if sources or calls:
                yield name, sources, calls
    for func in links.ordered():
        for node in walk(func.facts.body):
            if type(node) is Jump and node.kind == "return":
                sources, calls = _sources(links, node.value, func)
                if sources or calls:
                    yield func.facts.name, sources, calls


def _sources(links: Links, value: Value | None, func: Func) -> tuple[tuple[str, ...], tuple[Made, ...]]:
    names: set[str] = set()
    calls: set[Made] = set()
    for ref in refs(value):
        if ref.root == Root.RESULT and not ref.path:
            calls.add((func.id, int(ref.name)))
            call = links.calls[func.id].get(int(ref.name))
            if call is not None and isinstance(call.callee, Ref):
                names.add(last_name(call.callee))
        else:
            names.add(last_name(ref))
    return tuple(names), tuple(calls)
