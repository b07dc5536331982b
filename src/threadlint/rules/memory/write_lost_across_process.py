"""TL606."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Ref
from threadlint.findings import Confidence, Oracle, Problem, Severity
from threadlint.knowledge.primitives import MANAGER, PRIMITIVES
from threadlint.project.bodies.uses import Act
from threadlint.project.locks.locks import text
from threadlint.project.lost_writes import lost_writes, problem
from threadlint.project.names.things import Container, Func, Object
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_NESTED = frozenset({f"{MANAGER}.dict", f"{MANAGER}.list"})


@rule("TL606", since="0.1", severity=Severity.WARNING, confidence=Confidence.MEDIUM, oracle=Oracle.CHANGE_LOST)
def write_lost_across_process(project: Project) -> Iterator[Problem]:
    """A variable is changed in a child process, and the parent reads it; it never sees the change.

    ## Why is this bad?

    A process has memory of its own. A child works with a copy of the parent's variables, arguments and objects; what it changes there is gone when it ends. The parent reads
    what it had before, without any error.

    ## Example

    ```python
    from concurrent.futures import ProcessPoolExecutor

    squares = []


    def square(number: int) -> None:
        squares.append(number * number)  # expect: TL606


    if __name__ == "__main__":
        with ProcessPoolExecutor() as pool:
            list(pool.map(square, range(10)))
        print(squares)
    ```

    It prints `[]`.

    ## Use instead

    Return the result; or use a queue, a `multiprocessing.Value` or a manager's `dict` or `list`.

    ```python
    from concurrent.futures import ProcessPoolExecutor


    def square(number: int) -> int:
        return number * number


    if __name__ == "__main__":
        with ProcessPoolExecutor() as pool:
            squares = list(pool.map(square, range(10)))
        print(squares)
    ```

    In a manager's `dict` or `list`, a plain container inside it is a copy too: `rows[key].append(x)` changes the copy. Store it again (`rows[key] = rows[key] + [x]`), or put a
    manager's `list` there.

    ## Known limits

    - Reported where the function that starts the process, one that it calls or one that calls it, reads the variable afterwards, and nothing but the child changes it.
    - A function that the parent calls as well (when it works without processes) is left alone.
    - Changes that the parent makes after the start, and the child waits for, are not looked for.
    """
    for found in lost_writes(project, "processes"):
        yield problem(project, found, "a child process")
    yield from _nested(project)


def _nested(project: Project) -> Iterator[Problem]:
    for func in project.functions:
        uses = project.uses.acts(func)
        for use in uses:
            if (
                not (use.act.in_place or use.act is Act.UPDATE)
                or not use.ref.path
                or not use.ref.path[-1].startswith("[")
            ):
                continue
            outer, key = use.ref.receiver, use.ref.path[-1]
            if not _is_managers(project, outer, func) or _holds_proxies(project, use.ref, func):
                continue
            if any(one.ref == outer and one.how == "[]=" and one.key == key and one.step > use.step for one in uses):
                continue
            name = text(use.ref)
            yield Problem(
                project.site(func, use.span),
                f"`{name}` is a copy that the manager's process sent; changing it changes nothing in `{text(outer)}`",
                provable=False,
            )


def _is_managers(project: Project, outer: Ref, func: Func) -> bool:
    """Whether the value is a manager's container and nothing else; an element of a container that holds several things is not known to be."""
    things = project.types.of(outer, func)
    return bool(things) and all(isinstance(thing, Object) and thing.type in _NESTED for thing in things)


def _holds_proxies(project: Project, element: Ref, func: Func) -> bool:
    things = project.types.of(element, func)
    return any(
        not isinstance(thing, Container)
        and isinstance(thing, Object)
        and (not isinstance(thing.type, str) or thing.type in PRIMITIVES)
        for thing in things
    )
