"""TL801."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from threadlint.facts.model import Access, Call, Kind, Loop, Ref, Root, Value
from threadlint.findings import Builds, Confidence, Oracle, Problem, Related, Severity
from threadlint.knowledge.iterators import ADVANCING, ITERATORS
from threadlint.project.locks.locks import ANY_LOCK, Step, text
from threadlint.project.names.things import Container, External, Func, Object
from threadlint.project.project import Project
from threadlint.project.races.sharing import Location, Race, Touch
from threadlint.project.roots.contexts import MAIN, Context
from threadlint.project.routes import route
from threadlint.rules.rule import rule


@rule("TL801", since="0.1", severity=Severity.ERROR, oracle=Oracle.SHARED_ITERATOR)
def shared_iterator(project: Project) -> Iterator[Problem]:
    """One generator is advanced by several threads.

    ## Why is this bad?

    A generator is a function that stands still between two items. While one thread runs it, every other thread that asks for an item gets `ValueError: generator already
    executing`, with the GIL as without it: it is enough that the generator's body calls something. Iterators written in C (of lists, `zip`, `csv.reader`, files) do each step under the GIL;
    on free-threaded builds several threads get the same item: of a list's iterator one item in five, with four threads on CPython 3.13t. Those are reported with [`--free-threaded`](../free-threading.md).

    ## Example

    ```python
    import time
    from concurrent.futures import ThreadPoolExecutor


    def numbers():
        for number in range(100):
            time.sleep(0.001)
            yield number


    ids = numbers()


    def handle(_) -> int:
        return next(ids)  # expect: TL801


    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(handle, n) for n in range(40)]
        print(sorted(future.result() for future in futures if future.exception() is None))
    ```

    ## Use instead

    Take each item under a lock, or let one thread go through the iterator and hand the items to the others: `pool.map` does that, and so does a queue.

    ```python
    import threading
    import time
    from concurrent.futures import ThreadPoolExecutor


    def numbers():
        for number in range(100):
            time.sleep(0.001)
            yield number


    ids = numbers()
    ids_lock = threading.Lock()


    def handle(_) -> int:
        with ids_lock:
            return next(ids)


    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(handle, n) for n in range(40)]
        print(sorted(future.result() for future in futures if future.exception() is None))
    ```

    ## Known limits

    - Advancing is `next(it)`, `it.send(x)` and a loop over `it`; what a function of the library does with an iterator is not looked at. `pool.map(f, it)` goes through it in one thread.
    - `next(itertools.count())` gives each number once, on free-threaded builds too (it takes it by compare-and-swap), and is not reported.
    - A class of the program's own with `__next__` is judged by what that does ([TL101](TL101.md)).
    """
    if not any(True for func in project.meetings.on_threads() for _ in _advances(project, func)):
        return
    found: dict[str, list[_Advance]] = defaultdict(list)
    for func in project.functions:
        for advance in _advances(project, func):
            found[advance.touch.location.key].append(advance)
    for advances in found.values():
        met = _meeting(project, advances)
        if met is not None:
            yield _problem(project, *met)


@dataclass(frozen=True, slots=True)
class _Advance:
    """One step of an iterator, in one context."""

    touch: Touch
    ref: Ref
    kind: str


def _advances(project: Project, func: Func) -> Iterator[_Advance]:
    """The steps of iterators that the function makes, once for each way in which it is reached."""
    for number, step in enumerate(project.steps(func)):
        for ref in _advanced(project, func, step):
            kind = _kind(project, ref, func)
            if kind and (kind == "generator" or project.config.free_threaded):
                yield from _touches(project, func, number, step, ref, kind)


def _advanced(project: Project, func: Func, step: Step) -> Iterator[Ref]:
    """The names of what the step takes one item from."""
    node = step.node
    values: list[Value] = []
    if isinstance(node, Loop) and node.kind != "while" and not node.is_async:
        values.append(node.value)
    elif isinstance(node, Call) and isinstance(node.callee, Ref):
        if node.callee == Ref(Root.BUILTIN, "next") and node.args:
            values.append(node.args[0])
        elif node.callee.path and node.callee.path[-1] in ADVANCING:
            values.append(node.callee.receiver)
    for value in values:
        if isinstance(value, Ref) and value.root != Root.RESULT:
            yield value if _is_parameter(value, func) else project.uses.home(value, func)


def _is_parameter(ref: Ref, func: Func) -> bool:
    return ref.owner == func.facts.qualname and any(param.name == ref.name for param in func.facts.params)


def _kind(project: Project, ref: Ref, func: Func) -> str:
    """`generator`, or the name of the function that makes the iterator; empty where the value is, or may be, something else."""
    made = {_maker(project, access.value, where) for where, access in _bindings(project, ref, func)}
    if len(made) == 1 and (name := next(iter(made))):
        return name
    things = project.types.of(ref, func)
    generators = [
        thing
        for thing in things
        if (isinstance(thing, Object) and thing.type == "generator")
        or (isinstance(thing, Container) and thing.kind == "generator")
    ]
    return "generator" if things and len(generators) == len(things) else ""


def _bindings(project: Project, ref: Ref, func: Func) -> list[tuple[Func, Access]]:
    """What is assigned to a variable, or to an attribute of instances of the function's own class."""
    links = project.links
    if not ref.path and ref.root == Root.GLOBAL:
        return list(links.bindings.get((func.module.name, ref.name), ()))
    if not ref.path and ref.root == Root.VAR:
        return list(links.bindings.get((f"{func.module.name}:{ref.owner}", ref.name), ()))
    if len(ref.path) == 1 and ref.name == project.types.self_name(func):
        return [
            (where, access)
            for where, access in links.attributes.get(ref.path[0], ())
            if where.module is func.module and where.facts.cls == func.facts.cls
        ]
    return []


def _maker(project: Project, value: Value | None, func: Func) -> str:
    if not isinstance(value, Ref) or value.root != Root.RESULT or value.path:
        return ""
    call = project.links.calls[func.id].get(int(value.name))
    names = (
        [thing.name for thing in project.types.of(call.callee, func) if isinstance(thing, External)]
        if call is not None
        else []
    )
    if names == ["builtins.iter"] and call is not None and len(call.args) > 1:
        return ""  # `iter(queue.get, None)` is as safe as what it calls
    return names[0] if len(names) == 1 and names[0] in ITERATORS else ""


def _touches(project: Project, func: Func, number: int, step: Step, ref: Ref, kind: str) -> Iterator[_Advance]:
    own = not ref.path and ref.root == Root.VAR and ref.owner == func.facts.qualname and not _is_parameter(ref, func)
    if own and not project.spawns_in(func):
        return  # each activation has a variable of its own, and no thread here sees it
    for context, roots in project.meetings.contexts(func):
        location = _location(project, func, ref, context)
        if location is None:
            continue
        excluding = [one for one in step.held if one.lock.excludes]
        held = context.held.union(one.lock.key for one in excluding)
        if any(not one.lock.known for one in excluding):
            held |= {ANY_LOCK}
        access = Access(step.node.span, ref, Kind.UPDATE)
        yield _Advance(Touch(access, number, context, location, held, MAIN if own else roots), ref, kind)


def _location(project: Project, func: Func, ref: Ref, context: Context) -> Location | None:
    binding = dict(context.binding)
    if _is_parameter(ref, func) and not ref.path:
        token = project.ownership.of(ref, func, binding)
        return Location(token.id, token, text(ref)) if token is not None and token.shared else None
    return project.sharing.location(ref, func, binding)


def _meeting(project: Project, advances: list[_Advance]) -> tuple[_Advance, Race] | None:
    """Two advances that may run in parallel, in threads."""
    for one in advances:
        for other in advances:
            in_thread = one.touch.roots & ~MAIN or other.touch.roots & ~MAIN
            race = project.sharing.parallel(one.touch, other.touch) if in_thread else None
            if race is not None:
                return one, race
    return None


def _problem(project: Project, one: _Advance, race: Race) -> Problem:
    touch = one.touch
    site = project.site(touch.func, touch.access.span)
    related = [Related(project.site(spawn.func, spawn.span), spawn.story) for spawn in race.roots[:2]]
    if race.second.access is not touch.access:
        related.insert(0, Related(project.site(race.second.func, race.second.access.span), "also advanced here"))
    who = "a thread and the main thread" if race.with_main else "several threads"
    if one.kind == "generator":
        message = f"the generator `{touch.location.text}` is advanced by {who}; while one runs it, the others get ValueError: generator already executing"
    else:
        name = one.kind.removeprefix("builtins.")
        message = f"`{touch.location.text}`, an iterator of `{name}()`, is advanced by {who}; on free-threaded builds they can get one item twice, or lose one"
    return Problem(
        site,
        message,
        tuple(related),
        Confidence.MEDIUM if race.with_main or any(spawn.assumed for spawn in race.roots) else Confidence.HIGH,
        Severity.ERROR if one.kind == "generator" else Severity.WARNING,
        Builds.EVERY if one.kind == "generator" else Builds.FREE_THREADED,
        (site, project.site(race.second.func, race.second.access.span)),
        tuple(route(project, touch.context)),
        provable=one.kind == "generator",
    )
