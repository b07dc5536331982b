"""TL303."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from threadlint.facts.model import Call, Ref
from threadlint.findings import Oracle, Problem, Related, Severity
from threadlint.project.bodies.lifetimes import receiver_of
from threadlint.project.locks.locks import text
from threadlint.project.names.things import Func
from threadlint.project.project import Project
from threadlint.project.roots.pools import Pool
from threadlint.project.roots.thread_roots import Spawn
from threadlint.rules.rule import rule

_SUBMITTING = frozenset(
    {"submit", "map", "apply", "apply_async", "map_async", "imap", "imap_unordered", "starmap", "starmap_async"}
)


@rule("TL303", since="0.1", severity=Severity.ERROR, oracle=Oracle.POOL_DEADLOCK)
def pool_self_deadlock(project: Project) -> Iterator[Problem]:
    """A task hands work to the pool that it runs in and waits for it; when all workers wait, nobody is left to do the work.

    ## Why is this bad?

    A pool has a fixed number of workers. A task that waits for another task of the same pool keeps its worker busy while the other one waits in the pool's queue. Once
    every worker runs such a task, none of them ever ends. It works with little load and hangs under more, so tests seldom show it.

    ## Example

    ```python
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(max_workers=2)
    children = {"root": ["left", "right"], "left": [], "right": []}


    def build(name: str) -> int:
        parts = [pool.submit(build, child) for child in children[name]]  # expect: TL303
        return 1 + sum(part.result() for part in parts)


    roots = [pool.submit(build, "root") for _ in range(2)]
    print([root.result() for root in roots])
    ```

    ## Use instead

    ```python
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(max_workers=2)
    children = {"root": ["left", "right"], "left": [], "right": []}


    def build(name: str) -> int:
        return 1 + sum(build(child) for child in children[name])


    roots = [pool.submit(build, "root") for _ in range(2)]
    print([root.result() for root in roots])
    ```

    ## Known limits

    - The wait must stand in the function that hands the work over. Waiting with a timeout is not reported.
    - Whether there are always more workers than waiting tasks is not computed: a recursion that never goes deeper than `max_workers` is reported as well.
    - Tasks that wait for each other's futures without submitting anything are not seen.
    """
    outer: dict[Pool, list[Spawn]] = defaultdict(list)
    for spawn in project.spawns:
        if spawn.kind in ("executor", "pool") and receiver_of(spawn.call) is not None:
            for pool in project.pools.of(spawn.func, spawn.call):
                outer[pool].append(spawn)
    seen: set[tuple[str, int]] = set()
    for pool, spawns in outer.items():
        for spawn in spawns:
            reached = project.pools.reached(spawn.target.func)
            if pool[0] in reached:
                continue  # the task makes a pool of its own
            for func in reached.values():
                for call in _submits(project, func, pool):
                    if (func.id, call.id) not in seen:
                        seen.add((func.id, call.id))
                        yield from _check(project, func, call, spawns)


def _submits(project: Project, func: Func, pool: Pool) -> Iterator[Call]:
    for call in project.links.calls[func.id].values():
        if (
            isinstance(call.callee, Ref)
            and call.callee.path[-1:]
            and call.callee.path[-1] in _SUBMITTING
            and pool in project.pools.of(func, call)
        ):
            yield call


def _check(project: Project, func: Func, call: Call, spawns: list[Spawn]) -> Iterator[Problem]:
    waits = project.pools.waited_for(func, call)
    if waits is None:
        return
    site = project.site(func, call.span)
    outer = next((spawn for spawn in spawns if spawn.call is not call), spawns[0])
    receiver = receiver_of(call)
    name = text(receiver) if receiver is not None else "the pool"
    wait = project.site(func, waits)
    yield Problem(
        site,
        f"a task running in `{name}` waits for another task of the same pool; when all workers wait, none can run it",
        (
            Related(wait, "waits here, and keeps its worker"),
            Related(project.site(outer.func, outer.span), f"`{outer.target.func.name}` runs in the pool from here"),
        ),
        partners=(wait,),
    )
