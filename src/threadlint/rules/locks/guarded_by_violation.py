"""TL216."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.findings import Problem, Related, Severity
from threadlint.project.declared_guards import Breach, breaches
from threadlint.project.project import Project
from threadlint.rules.rule import rule


@rule("TL216", since="0.1", severity=Severity.ERROR)
def guarded_by_violation(project: Project) -> Iterator[Problem]:
    """Something is used without the lock that a comment or an annotation declares for it.

    ## Why is this bad?

    `# guarded-by: _lock` beside an attribute promises that every access holds that lock; `# requires-lock: _lock` beside a function promises that every caller
    does. `Annotated[int, GuardedBy("_lock")]` in the annotation of an attribute says the same as the first comment; `GuardedBy` may be any class of this name. One access without the lock is
    enough to break what all the others rely on.

    ## Example

    ```python
    import threading


    class Pool:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self.free = [1, 2, 3]  # guarded-by: _lock

        def give(self, item: int) -> None:
            with self._lock:
                self.free.append(item)

        def take(self) -> int:
            return self.free.pop()  # expect: TL216


    pool = Pool()
    for _ in range(3):
        threading.Thread(target=pool.take).start()
    ```

    ## Use instead

    ```python
    import threading


    class Pool:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self.free = [1, 2, 3]  # guarded-by: _lock

        def give(self, item: int) -> None:
            with self._lock:
                self.free.append(item)

        def take(self) -> int:
            with self._lock:
                return self.free.pop()


    pool = Pool()
    for _ in range(3):
        threading.Thread(target=pool.take).start()
    ```

    ## Known limits

    - The comment stands on the line that first gives the attribute, class attribute or global its value, or on the line of the `def` (or the one above it).
    - Constructors, finalizers, and what only they call are not checked; functions that say that their caller holds a lock are trusted.
    - Attributes of objects whose class is not known are not checked.
    """
    for breach in breaches(project):
        yield _problem(project, breach)


def _problem(project: Project, breach: Breach) -> Problem:
    if breach.called:
        message = f"`{breach.text}()` is declared to require `{breach.lock}`, which is not held here"
    else:
        message = f"`{breach.text}` is declared to be guarded by `{breach.lock}`, which is not held here"
    declared = Related(project.site(breach.module, breach.declared), "it is declared here")
    return Problem(project.site(breach.func, breach.span), message, (declared,))
