"""TL001."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from threadlint.findings import Problem, Severity
from threadlint.rules.rule import rule

if TYPE_CHECKING:
    from threadlint.project.project import Project


# This check yields nothing: what a comment silences is known only after all the other rules have run, so
# `suppress.py` makes the findings. The rule is here for its page, and to be selected and ignored like any other.
@rule("TL001", since="0.1", severity=Severity.WARNING)
def unused_suppression(project: Project) -> Iterator[Problem]:  # noqa: ARG001 see above
    """A comment silences a threadlint code that does not occur on its line.

    ## Why is this bad?

    A `# noqa: TL101` says that somebody looked at a race and decided to live with it. When the code has changed and the
    race is gone, the comment misleads the reader, and it will silence the next race on that line without anybody having
    looked at it. A misspelt code silences nothing at all, and nobody notices.

    ## Example

    ```python
    import threading

    lock = threading.Lock()
    total = 0


    def add():
        global total
        with lock:
            total += 1  # noqa: TL101  # expect: TL001


    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(total)
    ```

    ## Use instead

    Remove the comment, or the code from the comment where others are still needed.

    ```python
    import threading

    lock = threading.Lock()
    total = 0


    def add():
        global total
        with lock:
            total += 1


    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(total)
    ```

    ## Known limits

    - A bare `# noqa` and a bare `# threadlint: ignore` are never reported: the first may be there for another tool, and neither says
      what it is for.
    - Codes of other tools are never reported, nor are codes of rules that are not selected.
    - A prefix such as `TL1` is reported only if all rules that it stands for are selected.
    """
    yield from ()
