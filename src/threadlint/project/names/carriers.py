"""Names that can give what certain calls make, found by name alone: a cheap first look, before types are asked."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Access, Jump, Kind, Ref, Root, Value, walk
from threadlint.project.names.linker import Links, from_relative
from threadlint.project.names.mentions import last_part
from threadlint.project.names.things import Func
from threadlint.project.names.values import refs

Made = tuple[str, int]
"""A call: the id of the function that it stands in, and its number there."""


def carriers(links: Links, made: set[Made]) -> set[str]:
    """Last names of the variables, attributes and functions that can give what one of the calls makes; types need be asked for no others."""
    names: set[str] = set()
    imported = set(_imported(links))
    todo = [links.funcs[func_id] for func_id in dict.fromkeys(func_id for func_id, _ in made)]
    while todo:
        before = frozenset(names)
        for func in todo:
            for name, sources, calls in _givers(links, func):
                if name not in names and not (names.isdisjoint(sources) and made.isdisjoint(calls)):
                    names.add(name)
        names |= {name for name, last in imported if last in names}
        names |= {name for (_, name), maker in links.defaults.items() if maker.facts.name in names}
        todo = links.mentions.functions(names - before)
    return names


def _imported(links: Links) -> Iterator[tuple[str, str]]:
    """The names that imports from modules of the project bind, each with the last part of what is imported: they may differ."""
    for module, exports in links.exports.items():
        for name, dotted in exports.items():
            parts = from_relative(links.modules[module], dotted).split(".")
            if name != parts[-1] and any(".".join(parts[:end]) in links.modules for end in range(1, len(parts))):
                yield name, parts[-1]


def _givers(links: Links, func: Func) -> Iterator[tuple[str, tuple[str, ...], tuple[Made, ...]]]:
    """What the function binds or returns: each name with the last names in one value that it gives, and the calls in it."""
    for node in walk(func.facts.body):
        kind = type(node)
        if kind is Access:
            last = node.ref.path[-1] if node.ref.path else node.ref.name
            bound = bool(node.ref.path) or node.ref.root in (Root.GLOBAL, Root.VAR)
            if bound and node.kind is not Kind.READ and node.value is not None and not last.startswith("["):
                yield last, *_sources(links, node.value, func)
        elif kind is Jump and node.kind == "return":
            yield func.facts.name, *_sources(links, node.value, func)


def _sources(links: Links, value: Value | None, func: Func) -> tuple[tuple[str, ...], tuple[Made, ...]]:
    names: set[str] = set()
    calls: set[Made] = set()
    for ref in refs(value):
        if ref.root == Root.RESULT and not ref.path:
            calls.add((func.id, int(ref.name)))
            call = links.calls[func.id].get(int(ref.name))
            if call is not None and isinstance(call.callee, Ref):
                names.add(last_part(call.callee))
        else:
            names.add(last_part(ref))
    return tuple(names), tuple(calls)
