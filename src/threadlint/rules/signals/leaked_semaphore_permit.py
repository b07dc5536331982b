"""TL502."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Const
from threadlint.findings import Confidence, Fix, Oracle, Problem, Related, Severity
from threadlint.project.bodies.releases import Look, looks
from threadlint.project.project import Project
from threadlint.rules.rule import rule


@rule("TL502", since="0.1", severity=Severity.ERROR, oracle=Oracle.SEMAPHORE)
def leaked_semaphore_permit(project: Project) -> Iterator[Problem]:
    """A permit of a semaphore is not given back on some way out, or is given back without having been taken.

    ## Why is this bad?

    Each time the code between `acquire()` and `release()` raises, one permit is gone for good. A `Semaphore(10)` stands ten errors, often for days, and then every thread waits.

    The reverse is silent: a `release()` too many does not raise, it lets one more thread in than the limit says, for ever. `BoundedSemaphore` raises `ValueError` then.

    ## Example

    ```python
    import threading

    seats = threading.Semaphore(2)


    def parse(line: str) -> None:
        seats.acquire()  # expect: TL502
        print(int(line))
        seats.release()


    threads = [threading.Thread(target=parse, args=(line,)) for line in ("one", "two", "3", "4")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ```

    ## Use instead

    ```python
    import threading

    seats = threading.BoundedSemaphore(2)


    def parse(line: str) -> None:
        with seats:
            print(int(line))


    threads = [threading.Thread(target=parse, args=(line,)) for line in ("1", "2", "3", "4")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ```

    ## Fix

    Safe: the stretch between `acquire()` and `release()` goes into a `with` block, as for locks (TL201).

    ## Known limits

    - What counts as able to raise is the same as for locks (TL201).
    - A semaphore that starts at 0 is a signal: one side only releases it, the other only acquires it. So is a permit that another function, or a callback, gives back.
    - Where permits are taken or given back several at a time, in loops, they are not counted.
    """
    for func in project.mentions.callers(["acquire"]):
        for look in looks(project.locks, project.steps, func, semaphores=True):
            if look.first.method == "acquire" and not _is_signal(project, look):
                yield from _check(project, look)


def _is_signal(project: Project, look: Look) -> bool:
    """Whether the semaphore starts at 0."""
    for one in look.calls:
        for origin in project.signals.origins(one.receiver, look.func):
            value = project.signals.made(origin)[1].argument(0, "value")
            if isinstance(value, Const) and value.value == 0:
                return True
    return False


def _check(project: Project, look: Look) -> Iterator[Problem]:
    if not look.releases or look.same_condition() or look.flagged() or look.of_many():
        return
    name = look.first.lock.text
    handed_on = look.first.lock.key in project.handed_over
    found = look.left_held(raising_only=handed_on or look.several)
    if found is not None:
        how, span = found
        acquire, place = look.before(span), project.site(look.func, span)
        release = project.site(look.func, look.releases[0].call.span)
        site = project.site(look.func, acquire.call.span)
        yield Problem(
            site,
            f"a permit of `{name}` is not given back {how}; {_in_the_end(acquire.lock.permits)}",
            (
                Related(place, "the function is left here with the permit"),
                Related(release, "the permit is given back here"),
            ),
            partners=(place,),
            fix=Fix(Change.WITH_LOCK, (site,), safe=True),
        )
    elif not handed_on:
        yield from _too_many(project, look)


def _in_the_end(permits: int) -> str:
    if permits == 0:
        return "each time one less is left, until nobody gets in"
    return "nobody gets in after that" if permits == 1 else f"nobody gets in after {permits} times"


def _too_many(project: Project, look: Look) -> Iterator[Problem]:
    name = look.first.lock.text
    for one in look.released_unheld():
        when = "the task is cancelled while it waits" if one.cancelled else f"line {one.leaves[0]} leaves the block"
        yield _extra(
            project,
            look,
            one.release,
            f"a permit of `{name}` is given back that was not taken when {when}; the limit rises by one for good",
            Related(project.site(look.func, one.acquire.call.span), "taken inside the `try`"),
        )
        return
    for release in look.released_twice():
        acquire = look.before(release.call.span)
        yield _extra(
            project,
            look,
            release.call.span,
            f"a permit of `{name}` is given back here also when it was not taken, or was given back already; the limit rises by one for good",
            Related(project.site(look.func, acquire.call.span), "taken here"),
        )
        return


def _extra(project: Project, look: Look, span: tuple[int, int, int, int], message: str, related: Related) -> Problem:
    return Problem(
        project.site(look.func, span),
        message,
        (related,),
        confidence=Confidence.MEDIUM,
        severity=Severity.WARNING,
        provable=False,
    )
