"""Which locks a function's callers hold for it, and which functions only run before an object is shared.

A fixed point over the calls inside the project, as for the lock sets of Eraser-like static analyses (Engler and Ashcraft, RacerX, SOSP
2003): a private helper that is only called under a lock inherits it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from threadlint.facts.model import Call
from threadlint.project.locks.called import Calling
from threadlint.project.locks.locks import ANY_LOCK, Held
from threadlint.project.names.linker import Links
from threadlint.project.names.things import Func, FunctionThing
from threadlint.project.names.types import Types

OWNED_METHODS = frozenset(
    {
        "__init__",
        "__new__",
        "__post_init__",
        "__del__",
        "__setstate__",
        "__getstate__",
        "__reduce__",
        "__reduce_ex__",
        "__set_name__",
        "__init_subclass__",
        "__copy__",
        "__deepcopy__",
    }
)
"""Methods in which the object is not shared yet, or no longer."""

_FORK = re.compile(r"fork|reinit_lock|reset_(thread|lock)|_unsafe_reset|for_test|_for_testing", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class EntryLocks:
    """By function id. `always`: keys of the locks that every caller holds; `ever`: those that some caller holds.

    `bare` are functions that some call in the project reaches without any lock; `owned` are those that run only before or after an object is shared.
    """

    always: dict[str, frozenset[str]]
    ever: dict[str, frozenset[str]]
    bare: frozenset[str]
    owned: frozenset[str]


def guard_keys(held: tuple[Held, ...]) -> frozenset[str]:
    """The keys of the held locks that keep other threads out; a lock that only its name makes one is `ANY_LOCK` too."""
    found = {one.lock.key for one in held if one.lock.excludes and one.lock.known and one.lock.kind.world == "threads"}
    if any(not one.lock.known for one in held):
        found.add(ANY_LOCK)
    return frozenset(found)


def entry_locks(
    links: Links,
    types: Types,
    calling: Callable[[Func], Calling],
    assumed: frozenset[str],
) -> EntryLocks:
    """Find the fixed point. `assumed` are the functions of which a name or a comment says that the caller holds a lock."""
    sites: dict[str, list[tuple[str, frozenset[str]]]] = defaultdict(list)
    handlers: set[str] = set()
    for func in links.ordered():
        for _, step, things in calling(func):
            for thing, _ in things:
                if isinstance(thing, FunctionThing):
                    sites[thing.func.id].append((func.id, guard_keys(step.held) if step.held else frozenset()))
    for func, call in links.mentions.calls(links.mentions.ending("register_at_fork")):
        handlers.update(_fork_handlers(call, func, types))
    inherits = {
        func.id
        for func in links.ordered()
        if sites.get(func.id) and _private(func) and func.facts.name not in links.read[func.module.name]
    }
    fixed = {func.id: frozenset({ANY_LOCK}) for func in links.ordered() if func.id in assumed}
    owned = {
        func.id
        for func in links.ordered()
        if func.is_module or func.facts.name in OWNED_METHODS or _FORK.search(func.facts.name) or _loads_extension(func)
    } | handlers
    always = _always(sites, inherits, fixed)
    outside = frozenset(_only_from(owned, sites, inherits))
    bare = {
        func_id
        for func_id, callers in sites.items()
        for caller, held in callers
        if not held and not always.get(caller) and caller not in outside
    }
    return EntryLocks(always, _ever(sites, fixed), frozenset(bare), outside)


def _fork_handlers(call: Call, func: Func, types: Types) -> Iterator[str]:
    """What is given to `os.register_at_fork`: it runs while no other thread does."""
    for _, value in call.keywords:
        yield from (thing.func.id for thing in types.functions(value, func))


def _always(
    sites: dict[str, list[tuple[str, frozenset[str]]]], inherits: set[str], fixed: dict[str, frozenset[str]]
) -> dict[str, frozenset[str]]:
    top = None
    found: dict[str, frozenset[str] | None] = dict.fromkeys(inherits, top)
    changed = True
    while changed:
        changed = False
        for func_id in inherits:
            met: frozenset[str] | None = None
            for caller, held in sites[func_id]:
                if caller == func_id:
                    continue
                above = found.get(caller, frozenset())
                if above is None:
                    continue
                here = held | above | fixed.get(caller, frozenset())
                met = here if met is None else met & here
            if met is not None and met != found[func_id]:
                found[func_id] = met
                changed = True
    return {
        func_id: (locks or frozenset()) | fixed.get(func_id, frozenset())
        for func_id, locks in {**dict.fromkeys(fixed, frozenset()), **found}.items()
    }


def _ever(
    sites: dict[str, list[tuple[str, frozenset[str]]]], fixed: dict[str, frozenset[str]]
) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = dict(fixed)
    called: dict[str, list[str]] = defaultdict(list)
    for func_id, callers in sites.items():
        locks = found.get(func_id, frozenset()).union(*(held for _, held in callers))
        if locks:
            found[func_id] = locks
        for caller, _ in callers:
            called[caller].append(func_id)
    todo = list(found)
    while todo:
        caller = todo.pop()
        for func_id in called.get(caller, ()):
            before = found.get(func_id, frozenset())
            if not found[caller] <= before:
                found[func_id] = before | found[caller]
                todo.append(func_id)
    return found


def _only_from(owned: set[str], sites: dict[str, list[tuple[str, frozenset[str]]]], inherits: set[str]) -> set[str]:
    found = set(owned)
    changed = True
    while changed:
        changed = False
        for func_id in inherits - found:
            if all(caller in found or caller == func_id for caller, _ in sites[func_id]):
                found.add(func_id)
                changed = True
    return found


def _loads_extension(func: Func) -> bool:
    """`def setup(app)` of a module: a program calls it once, when it loads the extension (Sphinx, discord.py, Sopel)."""
    facts = func.facts
    return facts.name == "setup" and not facts.cls and not facts.owner and len(facts.params) == 1


def _private(func: Func) -> bool:
    name = func.facts.name
    return name.startswith("_") and not name.endswith("__") and not func.facts.owner
