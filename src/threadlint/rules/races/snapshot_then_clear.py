"""TL107."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from threadlint.facts.model import Ref
from threadlint.findings import Confidence, Problem, Related, Severity
from threadlint.project.bodies.snapshots import Emptied
from threadlint.project.bodies.uses import Act, Use, location_name
from threadlint.project.guard_names import hold
from threadlint.project.locks.locks import text
from threadlint.project.project import Project
from threadlint.project.races.guards import default_binding
from threadlint.rules.rule import rule

_FINAL = (
    "close",
    "stop",
    "shutdown",
    "reset",
    "clear",
    "destroy",
    "dispose",
    "teardown",
    "disconnect",
    "terminate",
    "cleanup",
    "exit",
    "fork",
)


@rule("TL107", since="0.1", severity=Severity.ERROR, confidence=Confidence.MEDIUM)
def snapshot_then_clear(project: Project) -> Iterator[Problem]:
    """A container is copied and then emptied; items that are added between the two are lost.

    ## Why is this bad?

    The copy does not have what another thread adds after it, and `clear()` throws it away: a message, a metric, a log record that never arrives. No error is raised.

    ## Example

    ```python
    import threading


    class Buffer:
        def __init__(self) -> None:
            self.rows = []

        def add(self, row: int) -> None:
            self.rows.append(row)

        def flush(self) -> list[int]:
            batch = list(self.rows)
            self.rows.clear()  # expect: TL107
            return batch


    buffer = Buffer()
    producer = threading.Thread(target=buffer.add, args=(1,))
    consumer = threading.Thread(target=buffer.flush)
    producer.start()
    consumer.start()
    ```

    ## Use instead

    ```python
    import threading


    class Buffer:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self.rows = []

        def add(self, row: int) -> None:
            with self._lock:
                self.rows.append(row)

        def flush(self) -> list[int]:
            with self._lock:
                batch, self.rows = self.rows, []
            return batch


    buffer = Buffer()
    producer = threading.Thread(target=buffer.add, args=(1,))
    consumer = threading.Thread(target=buffer.flush)
    producer.start()
    consumer.start()
    ```

    ## Fix

    Unsafe, since the lock may be held already, or come in the wrong order: where most accesses hold a lock that has a name here, copy and emptying are put into one `with` block.

    ## Known limits

    - A bare swap without a lock (`batch, self.rows = self.rows, []`) is not reported, although a producer that has read `self.rows` before the swap can still append to the old list.
    - Emptying at the end of an object's life (`close`, `stop`, `reset` and the like) is left alone.
    """
    known: dict[str, dict[str, list[Use]]] = {}
    for func in project.functions:
        if func.is_module or func.id in project.entry.owned or any(word in func.facts.name.lower() for word in _FINAL):
            continue
        for found in project.snapshots.of(func):
            if not _together(project, found):
                yield from _problem(project, found, known)


def _together(project: Project, found: Emptied) -> bool:
    """Whether a lock is held, by this function or by some caller."""
    steps = project.steps(found.func)
    return bool(
        steps[found.copied].held or steps[found.emptying.step].held or project.entry.ever.get(found.func.id)
    ) or project.confinement.of(found.emptying)


def _problem(project: Project, found: Emptied, known: dict[str, dict[str, list[Use]]]) -> Iterator[Problem]:
    if not project.uses.kind(found.ref, found.func):
        return
    adders = _adders(project, found, known)
    if not adders:
        return
    race = project.meetings.race((found.emptying,), adders)
    guard = project.guards.get(_key(project, found.emptying))
    cls = project.expectations.owner(found.ref, found.func)
    locks = (
        project.expectations.locks_for(cls, location_name(found.ref))
        if cls is not None and not found.func.facts.is_async
        else ()
    )
    if race is None and guard is None and not locks:
        return
    why = f"`{guard.text}` is not held" if guard is not None else "no lock is held"
    related = [
        Related(project.site(found.func, project.steps(found.func)[found.copied].node.span), "copied here"),
        Related(project.site(adders[0].func, adders[0].span), "added to here"),
    ]
    if race is not None:
        related += [
            Related(project.site(spawn.func, spawn.span), f"`{spawn.target.func.name}` is {spawn.verb} here")
            for spawn in race.roots[:2]
        ]
    site = project.site(found.func, found.emptying.span)
    yield Problem(
        site,
        f"items added to `{text(found.ref)}` between the copy and this line are lost; {why}",
        tuple(related),
        partners=(site, related[1].site),
        fix=hold(
            project,
            found.ref,
            found.func,
            project.steps(found.func)[found.copied].node.span,
            found.emptying.span,
        ),
    )


def _adders(project: Project, found: Emptied, known: dict[str, dict[str, list[Use]]]) -> list[Use]:
    """Where other functions add to the container; `known` keeps all additions by last name and location."""
    name = location_name(found.ref)
    if name not in known:
        known[name] = defaultdict(list)
        for use in project.uses.acts_on(name):
            if use.act is Act.ADD and use.func.id not in project.entry.owned and not use.func.is_module:
                known[name][_key(project, use)].append(use)
    key = _key(project, found.emptying)
    adding = known[name].get(key, ()) if key else ()
    return [use for use in adding if use.func is not found.func and _end(use.ref) == _end(found.ref)]


def _end(ref: Ref) -> str:
    return ref.path[-1] if ref.path else ref.name


def _key(project: Project, use: Use) -> str:
    location = project.sharing.location(use.ref, use.func, default_binding(use.func, project.types))
    return location.key if location is not None else ""
