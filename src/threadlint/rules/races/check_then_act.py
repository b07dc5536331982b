"""TL103."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import If
from threadlint.findings import Confidence, Fix, Oracle, Problem, Related, Severity
from threadlint.project.guard_names import hold
from threadlint.project.locks.locks import text
from threadlint.project.project import Project
from threadlint.project.races.breakable_checks import Broken
from threadlint.rules.rule import rule


@rule("TL103", since="0.1", severity=Severity.WARNING, confidence=Confidence.MEDIUM, oracle=Oracle.LOST_UPDATE)
def check_then_act(project: Project) -> Iterator[Problem]:
    """A test and the action that relies on it are two steps; another thread can come between.

    ## Why is this bad?

    `if key in d: del d[key]` raises `KeyError` when another thread deletes the key after the test. `if key not in d: d[key] = make()` makes two objects, and one of the
    threads keeps the one that is not in `d`. `if self.state == NEW: self.start()` starts twice. Each step may be safe by itself, even locked: the pair is not.

    Reported where several threads are expected: in code that runs on several threads, where a lock guards the location elsewhere, and where the container is an
    object that locks each of its own methods.

    ## Example

    ```python
    import threading

    sessions = {"a": object(), "b": object()}


    def expire() -> None:
        for name in ("a", "b"):
            if name in sessions:
                del sessions[name]  # expect: TL103


    threads = [threading.Thread(target=expire) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ```

    ## Use instead

    One step where there is one (`d.pop(key, None)`, `d.setdefault(key, value)`, `try` with `except KeyError`), a lock around both where there is none.

    ```python
    import threading

    sessions = {"a": object(), "b": object()}


    def expire() -> None:
        for name in ("a", "b"):
            sessions.pop(name, None)


    threads = [threading.Thread(target=expire) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ```

    ## Fix

    Safe where one step does it all: `if k in d: del d[k]` becomes `d.pop(k, None)`, `if k not in d: d[k] = []` becomes `d.setdefault(k, [])`, `if xs: x = xs.pop()` is
    tried, and its error caught. Unsafe otherwise, where most accesses hold a lock: test and action are put into a `with` block.

    ## Known limits

    - A cache of plain values (`if key not in cache: cache[key] = parse(key)`) is not reported: doing it twice is only slower.
    - The test and the action must name the container and the key the same way.
    - Files (`os.path.exists`, then `open`) are left alone: other processes can come between as well, and no lock of this program keeps them out.
    """
    for broken in project.breakable_checks:
        if project.counted.at(broken.check.act) is None:  # else told as TL501
            yield _problem(project, broken)


def _problem(project: Project, broken: Broken) -> Problem:
    check = broken.check
    site, test = project.site(check.func, broken.span), project.site(check.func, check.condition.span)
    related = [Related(test, "tested here")]
    if broken.other is not None:
        related.append(Related(project.site(broken.other.func, broken.other.span), f"{broken.other.act.value} here"))
    related += [
        Related(project.site(spawn.func, spawn.span), f"`{spawn.target.func.name}` is {spawn.verb} here")
        for spawn in broken.roots[:2]
    ]
    return Problem(
        site,
        f"the test of `{text(check.condition.ref)}` and this action are not one step, {broken.why}; {broken.harm}",
        tuple(related),
        partners=(site, test),
        fix=_fix(project, broken),
    )


def _fix(project: Project, broken: Broken) -> Fix | None:
    """One step that does both, or else the lock around both."""
    check = broken.check
    ref, func, branch = check.condition.ref, check.func, check.branch.span
    held = hold(project, ref, func, branch, broken.span)
    kind = project.uses.kind(ref, func)
    if kind and isinstance(check.branch, If):
        return Fix(Change.ONE_STEP, (project.site(func, branch),), safe=True, text=kind, otherwise=held)
    return held
