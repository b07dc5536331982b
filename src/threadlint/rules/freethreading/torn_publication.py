"""TL802."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from threadlint.facts.model import UNKNOWN, Const, Many, Ref, Root, Value
from threadlint.findings import Confidence, Problem, Related, Severity
from threadlint.project.bodies.uses import Act, Use
from threadlint.project.locks.entry_locks import OWNED_METHODS
from threadlint.project.names.things import Cls, Func
from threadlint.project.project import Project
from threadlint.project.races.sharing import Race
from threadlint.rules.rule import rule

_SHOWING = frozenset({"__repr__", "__str__", "__len__"})


@rule(
    "TL802",
    since="0.1",
    severity=Severity.WARNING,
    confidence=Confidence.LOW,
    default=False,
    free_threaded=True,
)
def torn_publication(project: Project) -> Iterator[Problem]:
    """Two attributes that are read together are replaced one after the other, so a reader can get one new and one old value.

    ## Why is this bad?

    Each store is atomic, and the pair is not. A thread that reads `version` and `table` between the two stores has the new version and the old table. With the GIL that needs a thread
    switch just there, which a call between the stores makes likely; on free-threaded builds both threads run at once.

    ## Example

    ```python
    import threading


    class Rates:
        def __init__(self) -> None:
            self.day, self.table = 0, {"EUR": 0}

        def refresh(self) -> None:
            for day in range(1, 1000):
                self.day = day + 0
                self.table = {"EUR": day}  # expect: TL802

        def check(self) -> None:
            for _ in range(1000):
                day, table = self.day, self.table
                if table["EUR"] != day:
                    print("torn:", day, table)


    rates = Rates()
    threads = [threading.Thread(target=rates.refresh), threading.Thread(target=rates.check)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ```

    ## Use instead

    Keep what belongs together in one object, and replace that; or take a lock on both sides.

    ```python
    import threading


    class Rates:
        def __init__(self) -> None:
            self.state = (0, {"EUR": 0})

        def refresh(self) -> None:
            for day in range(1, 1000):
                self.state = (day, {"EUR": day})

        def check(self) -> None:
            for _ in range(1000):
                day, table = self.state
                if table["EUR"] != day:
                    print("torn:", day, table)


    rates = Rates()
    threads = [threading.Thread(target=rates.refresh), threading.Thread(target=rates.check)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ```

    ## Known limits

    - A heuristic: that two attributes belong together is guessed from their being stored one right after the other in one method, and read by one statement after another in another method. On only
      with `--free-threaded`, or where it is selected.
    - Stores of constants (flags), constructors, and pairs of which either side holds a lock are left alone.
    """
    for cls, methods in _classes(project).items():
        for writer in methods:
            for first, second in _stored_together(project, writer):
                found = _reader(project, methods, first, second)
                if found is not None:
                    yield _problem(project, cls, first, second, *found)


def _classes(project: Project) -> dict[Cls, list[Func]]:
    found: dict[Cls, list[Func]] = defaultdict(list)
    for func in project.functions:
        cls = project.types.owner(func)
        if cls is not None and func.facts.name not in OWNED_METHODS and project.types.self_name(func):
            found[cls].append(func)
    return found


def _stored_together(project: Project, func: Func) -> Iterator[tuple[Use, Use]]:
    """Plain stores of two attributes of `self`, one right after the other, outside of any lock."""
    stores = [
        use
        for use in project.uses.of(func)
        if _is_own(project, use) and use.act in {Act.REBIND, Act.UPDATE} and use.how != "del"
    ]
    for first, second in pairwise(stores):
        steps = project.steps(func)
        if first.ref == second.ref or _is_plain(first.value) or _is_plain(second.value):
            continue
        if steps[first.step].held or steps[second.step].held or steps[first.step].context != steps[second.step].context:
            continue
        between = (use for use in project.uses.of(func) if first.step < use.step < second.step)
        if not any(use.act.writes for use in between):
            yield first, second


def _is_plain(value: Value | None) -> bool:
    """A literal: a flag, or what stands for nothing."""
    return isinstance(value, Const) or value == UNKNOWN or (isinstance(value, Many) and not value.items)


def _is_own(project: Project, use: Use) -> bool:
    return (
        len(use.ref.path) == 1
        and use.ref.root == Root.VAR
        and use.ref.name == project.types.self_name(use.func)
        and use.ref.owner == use.func.facts.qualname
    )


def _reader(project: Project, methods: list[Func], first: Use, second: Use) -> tuple[Use, Use, Race] | None:
    """A method that reads both, without a lock, while the stores may be made."""
    for func in methods:
        if func is first.func or func.facts.name in _SHOWING:
            continue
        reads: dict[str, Use] = {}
        for use in project.uses.of(func):
            if use.act is Act.READ and _is_own(project, use) and not project.steps(func)[use.step].held:
                reads.setdefault(use.ref.path[0], use)
        one, two = reads.get(first.ref.path[0]), reads.get(second.ref.path[0])
        if one is None or two is None or not _near(project, one, two):
            continue
        race = project.meetings.race([second], [two])
        if race is not None:
            return one, two, race
    return None


def _near(project: Project, one: Use, two: Use) -> bool:
    """Whether the two are read by statements that stand side by side."""
    steps = project.steps(one.func)
    return steps[one.step].context == steps[two.step].context and abs(one.span[0] - two.span[0]) <= 1


def _problem(project: Project, cls: Cls, first: Use, second: Use, one: Use, two: Use, race: Race) -> Problem:
    site = project.site(second.func, second.span)
    read = project.site(two.func, max(one.span, two.span))
    names = tuple(Ref(Root.VAR, "self", use.ref.path).path[0] for use in (first, second))
    return Problem(
        site,
        f"`{names[0]}` and `{names[1]}` of `{cls.facts.name}` are replaced one after the other without a lock; a thread that reads both can get one new and one old value",
        (
            Related(project.site(first.func, first.span), f"`{names[0]}` is replaced here"),
            Related(read, "both are read here"),
            *(Related(project.site(spawn.func, spawn.span), spawn.story) for spawn in race.roots[:2]),
        ),
        partners=(site, read),
    )
