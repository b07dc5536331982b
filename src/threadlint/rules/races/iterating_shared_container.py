"""TL106."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.findings import Confidence, Fix, Problem, Related, Severity, Site
from threadlint.project.bodies.registries import LiveLoop
from threadlint.project.bodies.uses import Act, Use
from threadlint.project.locks.locks import text
from threadlint.project.project import Project
from threadlint.project.races.guards import default_binding
from threadlint.project.races.meetings import SharedUse
from threadlint.project.races.sharing import Race
from threadlint.rules.rule import rule


@rule("TL106", since="0.1", severity=Severity.WARNING, confidence=Confidence.MEDIUM)
def iterating_shared_container(project: Project) -> Iterator[Problem]:
    """A container is iterated while another thread may add or remove items.

    ## Why is this bad?

    Another thread can run between two turns of a loop. When it adds or removes an item, a loop over a dict, set or deque ends with
    `RuntimeError: dictionary changed size during iteration`; a loop over a list skips an item, or meets one twice, and nothing reports it.

    ## Example

    ```python
    import threading

    clients: set[str] = set()


    def accept() -> None:
        for number in range(1000):
            clients.add(f"client {number}")


    def broadcast() -> None:
        for client in clients:  # expect: TL106
            print(client)


    threading.Thread(target=accept).start()
    threading.Thread(target=broadcast).start()
    ```

    ## Use instead

    Loop over a copy. `list(clients)` and `clients.copy()` are one step for builtin containers; take the lock where there is one.

    ```python
    import threading

    clients: set[str] = set()
    clients_lock = threading.Lock()


    def accept() -> None:
        for number in range(1000):
            with clients_lock:
                clients.add(f"client {number}")


    def broadcast() -> None:
        with clients_lock:
            targets = list(clients)
        for client in targets:
            print(client)


    threading.Thread(target=accept).start()
    threading.Thread(target=broadcast).start()
    ```

    ## Fix

    Safe for a list, dict or set, which `list()` copies in one step: the loop goes through `list(xs)`. Unsafe for a deque.

    ## Known limits

    - `list(d.values())`, `sorted(xs)` and other copies made in C count as one step, which they are for builtin containers.
    - A list that other threads only append to is not reported: the loop just sees the newest items or does not.
    - A loop that holds a lock which the other thread does without is reported as well, at the loop.
    """
    uses = _uses(project)
    changes = project.meetings.of(use for group in uses.values() for use in group if use.act.in_place)
    seen: set[tuple[str, str]] = set()
    told: set[Site] = set()
    for key, loops in project.meetings.of(
        use for group in uses.values() for use in group if use.act is Act.ITERATE
    ).items():
        for loop in loops:
            if (key, loop.use.func.id) in seen or not changes.get(key) or _told(project, key, loop):
                continue
            found = _meeting(project, loop, changes[key])
            if found is not None:
                seen.add((key, loop.use.func.id))
                told.add(project.site(loop.use.func, loop.use.span))
                yield _problem(project, loop, *found)
    for live in project.registries.loops(uses):
        alone = live.loop.func.id in project.entry.owned or project.entry.ever.get(live.loop.func.id)
        if not alone and project.site(live.loop.func, live.loop.span) not in told and not _guarded(project, live):
            yield _live(project, live)


def _uses(project: Project) -> dict[str, list[Use]]:
    """Goings-through and changes, by the last name, of what is both gone through and changed somewhere."""
    found: dict[str, list[Use]] = defaultdict(list)
    for func in project.functions:
        for use in project.uses.acts(func):
            if use.act is Act.ITERATE or use.act.in_place:
                found[(use.ref.path[-1] if use.ref.path else use.ref.name).rpartition(".")[2]].append(use)
    return {
        name: uses
        for name, uses in found.items()
        if any(use.act is Act.ITERATE for use in uses) and any(use.act.in_place for use in uses)
    }


def _told(project: Project, key: str, loop: SharedUse) -> bool:
    """Whether the location has a guard that the loop does without: another rule says so."""
    guard = project.guards.get(key)
    return guard is not None and any(one.use.func is loop.use.func for one in (*guard.outside, *guard.unsure))


def _guarded(project: Project, live: LiveLoop) -> bool:
    """The same for a loop over what an object or class has."""
    func = live.loop.func
    location = project.sharing.location(live.loop.ref, func, default_binding(func, project.types))
    guard = project.guards.get(location.key) if location is not None else None
    return guard is not None and any(one.use.func is func and one.use.step == live.loop.step for one in guard.outside)


def _meeting(project: Project, loop: SharedUse, changes: list[SharedUse]) -> tuple[SharedUse, Race] | None:
    kind = project.uses.kind(loop.use.ref, loop.use.func)
    if not kind:
        return None
    for change in changes:
        if kind == "list" and change.use.act is Act.ADD:
            continue
        race = project.meetings.parallel(loop, change)
        if race is not None:
            return change, race
    return None


def _live(project: Project, live: LiveLoop) -> Problem:
    kind = project.uses.kind(live.loop.ref, live.loop.func)
    site, other = project.site(live.loop.func, live.loop.span), project.site(live.change.func, live.change.span)
    who = (
        f"outside the thread of the event loop (it posts with `{live.posts}`), where code on the loop may add or remove items"
        if live.posts
        else "while what it calls, or another thread, may add or remove items"
    )
    return Problem(
        site,
        f"`{text(live.loop.ref)}` is iterated {who}; a {kind} that changes size ends the loop with RuntimeError",
        (Related(other, f"{live.change.act.value} here, in `{live.change.func.name}`"),),
        partners=(site, other),
        fix=_fix(kind, site),
    )


def _problem(project: Project, loop: SharedUse, change: SharedUse, race: Race) -> Problem:
    kind = project.uses.kind(loop.use.ref, loop.use.func)
    harm = (
        "the loop then skips or repeats items"
        if kind == "list"
        else f"a {kind} that changes size ends the loop with RuntimeError"
    )
    site, other = project.site(loop.use.func, loop.use.span), project.site(change.use.func, change.use.span)
    related = [Related(other, f"{change.use.act.value} here, by another thread")]
    related += [
        Related(project.site(spawn.func, spawn.span), f"`{spawn.target.func.name}` is {spawn.verb} here")
        for spawn in race.roots[:2]
    ]
    return Problem(
        site,
        f"`{loop.touch.location.text}` is iterated while other threads may add or remove items; {harm}",
        tuple(related),
        partners=(site, other),
        fix=_fix(kind, site),
    )


def _fix(kind: str, site: Site) -> Fix:
    """`list()` of a builtin container is one step; that of a deque can still fail."""
    return Fix(Change.ITERATE_COPY, (site,), safe=kind in ("list", "dict", "set"))
