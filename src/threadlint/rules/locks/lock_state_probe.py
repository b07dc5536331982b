"""TL214."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Call, If, Loop, Node, walk
from threadlint.findings import Problem, Related, Severity
from threadlint.project.locks.lock_calls import LockCall, called, lock_calls, parts
from threadlint.project.locks.locks import Step
from threadlint.project.names.things import Func
from threadlint.project.project import Project
from threadlint.rules.rule import rule


@rule("TL214", since="0.1", severity=Severity.WARNING)
def lock_state_probe(project: Project) -> Iterator[Problem]:
    """What to do with a lock is decided by asking `locked()`.

    ## Why is this bad?

    `locked()` tells that some thread holds the lock, not which, and the answer can be wrong before it is looked at. `if lock.locked(): lock.release()` takes the
    lock away from another thread, in the middle of what it protects; `if not lock.locked(): lock.acquire()` waits all the same.

    ## Example

    ```python
    import threading

    lock = threading.Lock()


    def close() -> None:
        if lock.locked():  # expect: TL214
            lock.release()


    lock.acquire()
    threading.Thread(target=close).start()
    ```

    ## Use instead

    ```python
    import threading

    lock = threading.Lock()


    def close() -> None:
        with lock:
            print("nobody else is in here")


    threading.Thread(target=close).start()
    ```

    ## Known limits

    - `assert lock.locked()`, and answers that are only shown or logged, are fine and not reported.
    - Handlers that run after a fork, told by their names or by `os.register_at_fork`, free the locks of threads that are gone, and are left alone.
    - Locks of `asyncio` are left alone: between the question and the next `await` no other task runs.
    """
    for func in project.mentions.callers(["locked"]):
        if func.id in project.entry.owned:
            continue
        probes = {
            one.call.id: one
            for one in lock_calls(project.locks, func)
            if one.method == "locked" and one.lock.kind.world != "tasks"
        }
        if probes:
            yield from _probes(project, func, probes)


def _probes(project: Project, func: Func, probes: dict[int, LockCall]) -> Iterator[Problem]:
    for step in project.steps(func):
        node = step.node
        if isinstance(node, If):
            asked = [
                one
                for value in parts(node.test)
                if (one := called(value, func, project.locks)) and one.call.id in probes
            ]
            for probe in asked[:1]:
                acted = _acts(project, func, probe, (*node.body, *node.orelse))
                if acted is not None and not _armed_under(project, probe, step):
                    yield _problem(project, func, probe, acted)
        elif isinstance(node, Loop) and node.kind == "while":
            asked = [
                one
                for value in parts(node.value)
                if (one := called(value, func, project.locks)) and one.call.id in probes
            ]
            for probe in asked[:1]:
                site = project.site(func, probe.call.span)
                yield Problem(
                    site,
                    f"the loop waits until `{probe.lock.text}` looks free; it can be taken again before the next line runs",
                )
        elif isinstance(node, Call) and node.id in probes and node.use in ("used", "discarded"):
            # `lock.locked() and lock.release()`
            after = next((one for one in lock_calls(project.locks, func) if one.call.id == node.id + 1), None)
            probe = probes[node.id]
            if (
                after is not None
                and after.method in ("release", "acquire")
                and after.lock.key == probe.lock.key
                and after.call.span[0] == node.span[0]
                and after.call.use == "used"
            ):
                yield _problem(project, func, probe, after)


def _armed_under(project: Project, probe: LockCall, asked: Step) -> bool:
    """Whether the lock stands in for a condition: others release it, and it is acquired under a lock that is held here too, so that its state is known."""
    held = {one.lock.key for one in asked.held}
    if not held or probe.lock.key not in project.handed_over:
        return False
    for func in project.mentions.callers(["acquire"]):
        taken = {
            one.call.id
            for one in lock_calls(project.locks, func)
            if one.method == "acquire" and one.lock.key == probe.lock.key
        }
        for step in project.steps(func) if taken else ():
            if isinstance(step.node, Call) and step.node.id in taken and held & {one.lock.key for one in step.held}:
                return True
    return False


def _acts(project: Project, func: Func, probe: LockCall, nodes: tuple[Node, ...]) -> LockCall | None:
    """What is done to the same lock in the branches."""
    inside = {node.id for node in walk(nodes) if isinstance(node, Call)}
    for one in lock_calls(project.locks, func):
        if one.call.id in inside and one.method in ("release", "acquire") and one.lock.key == probe.lock.key:
            return one
    return None


def _problem(project: Project, func: Func, probe: LockCall, acted: LockCall) -> Problem:
    name = probe.lock.text
    why = "another thread may be the holder" if acted.method == "release" else "another thread may acquire it first"
    return Problem(
        project.site(func, probe.call.span),
        f"`{name}.locked()` does not tell who holds the lock, nor who will in the next instant; {why}",
        (Related(project.site(func, acted.call.span), f"`{name}.{acted.method}()` depends on it"),),
    )
