"""TL608."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.findings import Confidence, Problem, Severity
from threadlint.project.lost_writes import lost_writes, problem
from threadlint.project.project import Project
from threadlint.rules.rule import rule


@rule("TL608", since="0.1", severity=Severity.WARNING, confidence=Confidence.MEDIUM)
def subinterpreter_copy_mutated(project: Project) -> Iterator[Problem]:
    """An object is given to another interpreter and changed there, and its creator reads it; what was changed is a copy.

    ## Why is this bad?

    Interpreters share no ordinary objects. What `call()` or a job of an `InterpreterPoolExecutor` is given, and the module's variables too, exist in each
    interpreter anew; a change there is gone when it ends, without any error.

    ## Example

    ```python
    from concurrent import interpreters


    def fill(totals: list[int]) -> None:
        totals.append(42)  # expect: TL608


    totals: list[int] = []
    interpreter = interpreters.create()
    interpreter.call(fill, totals)
    interpreter.close()
    print(totals)
    ```

    It prints `[]`.

    ## Use instead

    The result of `call()`, or a queue between interpreters (`interpreters.create_queue()`).

    ```python
    from concurrent import interpreters


    def filled(totals: list[int]) -> list[int]:
        return [*totals, 42]


    totals: list[int] = []
    interpreter = interpreters.create()
    totals = interpreter.call(filled, totals)
    interpreter.close()
    print(totals)
    ```

    ## Known limits

    - Code given to `exec()` as a string is not looked into.
    - A `memoryview` is shared indeed, and not reported. What `prepare_main()` is given is shared, or refused: [TL607](TL607.md).
    """
    for found in lost_writes(project, "interpreters"):
        yield problem(project, found, "another interpreter")
