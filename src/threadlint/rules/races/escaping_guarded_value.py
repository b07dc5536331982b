"""TL109."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Access, Call, Jump, Kind, Loop, Ref, Root, Span, Value
from threadlint.findings import Fix, Problem, Related, Severity
from threadlint.project.bodies.laziness import Later
from threadlint.project.bodies.uses import Act
from threadlint.project.locks.locks import Held, Step, text
from threadlint.project.names.things import Func
from threadlint.project.names.values import refs
from threadlint.project.project import Project
from threadlint.project.races.guards import Guard, default_binding
from threadlint.rules.rule import rule


@rule("TL109", since="0.1", severity=Severity.WARNING)
def escaping_guarded_value(project: Project) -> Iterator[Problem]:
    """A generator or a view of a guarded container leaves the block that holds the lock.

    ## Why is this bad?

    Generator expressions, `map`, `filter`, `zip`, `iter` and the views of dictionaries (`d.values()`) do nothing when they are made. They go through the
    container when somebody goes through them: after the `with` block, without the lock. Another thread that adds an item meanwhile makes the
    loop fail with `RuntimeError: dictionary changed size during iteration`, or, for a list, skip items.

    ## Example

    ```python
    import threading


    class Pool:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self._jobs: dict[int, str] = {}

        def add(self, number: int, job: str) -> None:
            with self._lock:
                self._jobs[number] = job

        def long_ones(self):
            with self._lock:
                return (job for job in self._jobs.values() if len(job) > 3)  # expect: TL109


    pool = Pool()
    pool.add(1, "sort")
    for job in pool.long_ones():
        pool.add(2, job)
    ```

    ## Use instead

    Do the work while the lock is held: make a list.

    ```python
    import threading


    class Pool:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self._jobs: dict[int, str] = {}

        def add(self, number: int, job: str) -> None:
            with self._lock:
                self._jobs[number] = job

        def long_ones(self):
            with self._lock:
                return [job for job in self._jobs.values() if len(job) > 3]


    pool = Pool()
    pool.add(1, "sort")
    for job in pool.long_ones():
        pool.add(2, job)
    ```

    ## Fix

    A generator becomes a list comprehension; anything else is put into `list()`. Safe for a view of values or items, and where a loop goes through it; otherwise unsafe,
    since a list is no iterator that one can ask `next()` of, and cannot be intersected with a set.

    ## Known limits

    - Only containers that the program changes in place under the same lock are reported; one that is only ever replaced by a new one is safe to go through.
    - The container itself, returned from the block, is not reported.
    """
    for func in project.having(Held):
        if not func.is_module:
            yield from _check(project, func)


def _check(project: Project, func: Func) -> Iterator[Problem]:
    steps = project.steps(func)
    above = project.entry.always.get(func.id, frozenset())
    for number, step in enumerate(steps):
        if not step.held:
            continue
        left = _leaving(func, steps, number)
        if left is None:
            continue
        value, span, use = left
        for later in project.laziness.of(value, func, span):
            found = _guard(project, later, step, above)
            if found is not None:
                yield _problem(project, func, span, later, *found, use)
                break


def _leaving(func: Func, steps: list[Step], number: int) -> tuple[Value, Span, Span | None] | None:
    """What leaves the block at this step: a value that is returned, or kept in a local name that is used after the block (with the place of that use)."""
    node = steps[number].node
    if isinstance(node, Jump):
        return (node.value, node.span, None) if node.kind == "return" and node.value is not None else None
    if not isinstance(node, Access) or node.kind != Kind.WRITE or node.form or node.value is None:
        return None
    ref = node.ref
    if ref.root != Root.VAR or ref.path or ref.owner != func.facts.qualname:
        return None
    inside = {held.span for held in steps[number].held}
    for step in steps[number + 1 :]:
        if isinstance(step.node, Access) and step.node.ref == ref and step.node.kind == Kind.WRITE:
            return None
        if not any(held.span in inside for held in step.held) and _uses(step, ref):
            return node.value, node.span, step.node.span
    return None


def _uses(step: Step, ref: Ref) -> bool:
    node = step.node
    if isinstance(node, Loop):
        return any(one == ref for one in refs(node.value))
    if isinstance(node, Call):
        return any(one == ref for value in (*node.args, *(value for _, value in node.keywords)) for one in refs(value))
    return isinstance(node, Jump) and any(one == ref for one in refs(node.value))


def _guard(project: Project, later: Later, step: Step, above: frozenset[str]) -> tuple[Guard, Held] | None:
    location = project.sharing.location(later.ref, later.func, default_binding(later.func, project.types))
    guard = project.guards.get(location.key) if location is not None else None
    if guard is None or guard.lock in above:
        return None
    held = next((held for held in step.held if held.lock.key == guard.lock), None)
    changes = any(one.use.act.in_place or (one.use.act is Act.UPDATE and one.use.key) for one in guard.inside)
    return (guard, held) if held is not None and changes else None


def _problem(
    project: Project, func: Func, span: Span, later: Later, guard: Guard, held: Held, use: Span | None
) -> Problem:
    name, lock = text(later.ref), held.lock.text
    if later.what == "view":
        what = f"this view of `{name}` is live:"
        tail = f"whoever goes through it does so after `{lock}` is released"
    elif later.what == "generator":
        what = f"this generator goes through `{name}`"
        tail = f"after `{lock}` is released"
    else:
        name_of = later.what if later.what.startswith("`") else f"`{later.what}()`"
        what = f"{name_of} goes through `{name}` only when its result is used,"
        tail = f"after `{lock}` is released"
    related = [Related(project.site(func, held.span), f"`{lock}` is held from here to the end of the block")]
    if use is not None:
        related.append(Related(project.site(func, use), "it is used here, without the lock"))
    change = next(one for one in guard.inside if one.use.act.in_place or one.use.act is Act.UPDATE)
    related.append(
        Related(
            project.site(change.use.func, change.use.span),
            f"`{name}` is {change.use.act.value} here; `{guard.text}` is held at {len(guard.inside)} of {guard.total} accesses",
        )
    )
    made = Change.LIST_COMPREHENSION if later.what == "generator" else Change.SNAPSHOT
    # Whoever asks `next()` of the value, or intersects it with a set, cannot do so with a list.
    if use is not None:
        safe = any(isinstance(step.node, Loop) and step.node.span == use for step in project.steps(func))
    else:
        safe = later.what == "view" and not _is_set_like(project, func, later)
    fix = Fix(made, (project.site(func, later.whole),), safe=safe)
    return Problem(project.site(func, span), f"{what} {tail}", tuple(related), fix=fix)


def _is_set_like(project: Project, func: Func, later: Later) -> bool:
    """Whether the view is one of keys."""
    calls = project.links.calls[func.id].values()
    return any(call.span == later.whole and getattr(call.callee, "path", ())[-1:] == ("keys",) for call in calls)
