"""TL702."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Root
from threadlint.findings import Confidence, Fix, Oracle, Problem, Related, Severity
from threadlint.knowledge.event_loops import MADE_ONCE
from threadlint.project.locks.locks import text
from threadlint.project.names.things import Cls, External, Object
from threadlint.project.names.values import refs
from threadlint.project.project import Project
from threadlint.project.races.await_splits import AwaitSplits, Split, constant
from threadlint.project.roots.thread_roots import Spawn
from threadlint.rules.rule import rule


@rule("TL702", since="0.1", severity=Severity.ERROR, oracle=Oracle.AWAIT_RACE)
def update_split_by_await(project: Project) -> Iterator[Problem]:
    """A task reads something shared, stops at `await`, and then writes what follows from the old value.

    ## Why is this bad?

    Tasks of one event loop never run at the same time, but at every `await` another one may go on. What was read before may have changed when the task comes back:
    the update that another task has made meanwhile is overwritten, or what was missing before has been made by now, and is made a second time. In `total += await
    size()` Python reads `total` before it awaits.

    ## Example

    ```python
    import asyncio

    total = 0


    async def size(url: str) -> int:
        await asyncio.sleep(0.01)
        return len(url)


    async def add(url: str) -> None:
        global total
        total += await size(url)  # expect: TL702


    async def main() -> None:
        await asyncio.gather(*(add(url) for url in ("a", "bb", "ccc")))


    asyncio.run(main())
    print(total)
    ```

    ## Use instead

    Await first and update afterwards; between two `await`s no other task runs.

    ```python
    import asyncio

    total = 0


    async def size(url: str) -> int:
        await asyncio.sleep(0.01)
        return len(url)


    async def add(url: str) -> None:
        global total
        length = await size(url)
        total += length


    async def main() -> None:
        await asyncio.gather(*(add(url) for url in ("a", "bb", "ccc")))


    asyncio.run(main())
    print(total)
    ```

    Where something is made once, keep the task that makes it (`cache[key] = asyncio.ensure_future(fetch(key))`, and await that), or hold an `asyncio.Lock` from the
    test to the end.

    ## Fix

    Safe, for one statement: `self.total += await size()` becomes `value = await size()`, and then `self.total += value`.

    ## Known limits

    - Reported where the program shows that two tasks can come here with the same object: tasks made in a loop or by `gather()`, several task groups' tasks, handlers that a
      web framework runs for each request. A library whose callers make the tasks shows nothing of the kind.
    - A value that goes through a local name (`n = self.n; await ...; self.n = n + 1`), a flag that is set after the `await` (`if not self.ready: await ...;
      self.ready = True`), and a plain value of an attribute (`if self.x is None: self.x = await ...`) are reported only where TL702, or `TL7`, is selected: there the
      order is often meant, or the second time does no harm.
    - Filling an entry of a cache with data twice is work for nothing, and reported only where TL702 is selected; a second object of a class of the program is a warning;
      a second connection, session, pool or task is a leak.
    - What is tested again after the `await`, and what a task announces before it stops (`self.pending[key] = future`), is left alone.
    """
    if not project.tasks:
        return  # nothing comes between the steps of a task that is the only one
    everything = project.config.asks_for("TL702")
    splits = AwaitSplits(project.checks, project.uses, project.steps, project.task_meetings, project.callees)
    for split in splits.all(project.functions):
        made = _made_once(project, split) if split.check is not None else ""
        if everything or not _is_quiet(project, split, made):
            yield _problem(project, split, made)


def _is_quiet(project: Project, split: Split, made: str) -> bool:
    """Whether the order may well be meant, or doing it twice does no harm."""
    if split.check is None:
        return split.carried
    return constant(split.use.value) or not (made or (split.check.condition.key and _is_object(project, split)))


def _is_object(project: Project, split: Split) -> bool:
    """Whether the value may be an object of a class of the program, of which there should be one for each key; data are the same the second time."""
    return any(
        isinstance(thing, Object) and isinstance(thing.type, Cls)
        for thing in project.types.of(split.use.value, split.func)
    )


def _problem(project: Project, split: Split, made: str) -> Problem:
    func, use = split.func, split.use
    name = text(use.access.ref) if use.access is not None else text(use.ref)
    site, first = project.site(func, use.span), project.site(split.caller or func, split.first)
    stop = project.site(func, split.stop)
    related = [Related(stop, "the task stops here, and others go on")]
    if split.caller is not None or split.stop[0] != split.first[0]:
        related.insert(0, Related(first, f"`{name}` is {'tested' if split.check else 'read'} here"))
    if split.other is not None:
        related.append(Related(project.site(split.other.func, split.other.span), "another task writes it here"))
    related += [Related(project.site(root.func, root.span), _story(root)) for root in split.race.roots[:2]]
    if split.check is None:
        message = f"`{name}` is read before `await` and written after it; what another task stores meanwhile is lost"
        hoists = None if split.carried else Fix(Change.HOIST_AWAIT, (site,), safe=True)
        return Problem(site, message, tuple(related), partners=(site,), fix=hoists)
    harm = (
        f"two tasks can both make one ({made}), and only the last is kept"
        if made
        else "two tasks can both find nothing, and the second overwrites the first"
    )
    if split.caller is not None and split.call is not None:
        related.insert(1, Related(site, f"`{func.name}` assigns it here"))
        site = project.site(split.caller, split.call.span)
    return Problem(
        site,
        f"`{name}` is tested before `await` and assigned after it; {harm}",
        tuple(related),
        severity=None if made else Severity.WARNING,
        confidence=None if made else Confidence.MEDIUM,
        provable=False,
    )


def _story(root: Spawn) -> str:
    again = ", several at a time" if root.many and not root.note else ""
    return (
        f"{root.note}: `{root.target.func.name}`"
        if root.note
        else f"`{root.target.func.name}` is started as a task here{again}"
    )


def _made_once(project: Project, split: Split) -> str:
    """What the value is, where two of them are not as good as one; empty otherwise."""
    found = project.identity.of(split.use.value, split.func)
    if found:
        return found
    for ref in refs(split.use.value):
        call = project.links.calls[split.func.id].get(int(ref.name)) if ref.root == Root.RESULT else None
        for thing in project.types.of(call.callee, split.func) if call is not None else ():
            if isinstance(thing, External) and thing.name in MADE_ONCE:
                return f"`{thing.name}()`"
    return ""
