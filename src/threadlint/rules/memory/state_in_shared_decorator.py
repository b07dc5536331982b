"""TL610."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Access, Kind, Ref, Root, Span, With
from threadlint.findings import Confidence, Problem, Related, Severity
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import Cls, Func
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_DECORATORS = frozenset({"contextlib.ContextDecorator", "contextlib.AsyncContextDecorator"})
_PAIRS = (("__enter__", "__exit__"), ("__aenter__", "__aexit__"))


@rule("TL610", since="0.1", severity=Severity.WARNING, confidence=Confidence.MEDIUM)
def state_in_shared_decorator(project: Project) -> Iterator[Problem]:
    """A decorator enters itself for every call, and keeps the data of the call on itself.

    ## Why is this bad?

    A decorator object is made once, when the function is defined; all calls of the function share it. What `__enter__` stores on `self` for one call, the next call
    overwrites, in another thread or by recursion, before `__exit__` has read it: times, transactions and saved settings of two calls are mixed up.

    ## Example

    ```python
    import threading
    import time


    class timed:
        def __enter__(self) -> None:
            self.start = time.monotonic()

        def __exit__(self, *error: object) -> None:
            print(f"took {time.monotonic() - self.start:.1f} s")

        def __call__(self, function):
            def inner(*args):
                with self:  # expect: TL610
                    return function(*args)

            return inner


    @timed()
    def work(seconds: float) -> None:
        time.sleep(seconds)


    threads = [threading.Thread(target=work, args=(seconds,)) for seconds in (0.2, 0.1)]
    for thread in threads:
        thread.start()
    ```

    ## Use instead

    A new object for each call.

    ```python
    import threading
    import time


    class timed:
        def __enter__(self) -> None:
            self.start = time.monotonic()

        def __exit__(self, *error: object) -> None:
            print(f"took {time.monotonic() - self.start:.1f} s")

        def __call__(self, function):
            def inner(*args):
                with timed():
                    return function(*args)

            return inner


    @timed()
    def work(seconds: float) -> None:
        time.sleep(seconds)


    threads = [threading.Thread(target=work, args=(seconds,)) for seconds in (0.2, 0.1)]
    for thread in threads:
        thread.start()
    ```

    A subclass of `contextlib.ContextDecorator` does the same in its method `_recreate_cm()`, or keeps a stack for each thread.

    ## Known limits

    - `__exit__` itself must read what `__enter__` itself has stored.
    - Containers that `__enter__` adds to (a stack) are not looked at, nor what it sets under a lock.
    """
    for func in project.having(With):
        for step in project.steps(func):
            if isinstance(step.node, With):
                for item in step.node.items:
                    cls = _own_decorator(project, func, item.value)
                    if cls is not None and not in_tests(func):
                        yield from _check(project, func, item.span, cls)
    for cls in project.links.classes.values():
        if any(base in _DECORATORS for base in project.types.mro(cls)) and not _recreates(project, cls):
            state = _state(project, cls)
            if state is not None and state[0].facts.cls == cls.facts.qualname and not in_tests(state[0]):
                yield _problem(project, state[0], state[1], state, cls)


def _own_decorator(project: Project, func: Func, value: object) -> Cls | None:
    """The class, where the value is the `self` of the method `__call__` around the function."""
    if not isinstance(value, Ref) or value.root != Root.VAR or value.path or value.owner != func.facts.owner:
        return None
    outer = project.links.funcs.get(f"{func.module.name}:{func.facts.owner}")
    if outer is None or outer.facts.name != "__call__" or value.name != project.types.self_name(outer):
        return None
    return project.types.owner(outer)


def _check(project: Project, func: Func, span: Span, cls: Cls) -> Iterator[Problem]:
    for one in (cls, *project.types.subclasses(cls)):
        state = _state(project, one)
        call = project.types.method(one, "__call__")
        if state is not None and call is not None and call.facts.qualname == func.facts.owner:
            yield _problem(project, func, span, state, one)
            return


def _recreates(project: Project, cls: Cls) -> bool:
    return any(project.types.method(cls, name) is not None for name in ("_recreate_cm", "__call__"))


def _state(project: Project, cls: Cls) -> tuple[Func, Span, str, Func, Span] | None:
    """An attribute that entering sets and leaving reads: the two methods, and where they do it."""
    for enter_name, exit_name in _PAIRS:
        enter, leave = project.types.method(cls, enter_name), project.types.method(cls, exit_name)
        if enter is None or leave is None:
            continue
        stored = {access.ref.path[0]: access for access in _own(project, enter) if access.kind == Kind.WRITE}
        for access in _own(project, leave):
            if access.kind == Kind.WRITE and access.ref.path[0] in stored:
                del stored[access.ref.path[0]]
            elif access.kind == Kind.READ and access.ref.path[0] in stored:
                name = access.ref.path[0]
                return enter, stored[name].span, name, leave, access.span
        for call in project.links.calls[leave.id].values():
            callee = call.callee
            if (
                isinstance(callee, Ref)
                and len(callee.path) > 1
                and callee.name == project.types.self_name(leave)
                and callee.path[0] in stored
            ):
                return enter, stored[callee.path[0]].span, callee.path[0], leave, call.span
    return None


def _own(project: Project, method: Func) -> Iterator[Access]:
    """What the method does to attributes of its instance."""
    own = project.types.self_name(method)
    for step in project.steps(method):
        node = step.node
        if step.held:
            continue  # under a lock it counts its callers, or keeps what all of them share
        if (
            isinstance(node, Access)
            and node.ref.path
            and node.ref.name == own
            and node.ref.owner == method.facts.qualname
        ) and (node.kind != Kind.WRITE or len(node.ref.path) == 1):
            yield node


def _problem(project: Project, func: Func, span: Span, state: tuple[Func, Span, str, Func, Span], cls: Cls) -> Problem:
    enter, stored, name, leave, read = state
    return Problem(
        project.site(func, span),
        f"all calls of a decorated function share this `{cls.facts.name}` and its `{name}`; a call in another thread overwrites what this one needs",
        (
            Related(project.site(enter, stored), f"`self.{name}` is set for each call here"),
            Related(project.site(leave, read), "and read at its end here"),
        ),
    )
