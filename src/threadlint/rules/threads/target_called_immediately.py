"""TL304."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from threadlint.changes import Change
from threadlint.facts.model import Call, Const, Jump, Ref, Root, walk
from threadlint.findings import Fix, Problem, Related, Severity, Site
from threadlint.project.locks.locks import text
from threadlint.project.names.callables import HANDING, arguments, handed_over
from threadlint.project.names.things import External, Func, FunctionThing
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_NOTHING = frozenset({"builtins.print", "time.sleep", "builtins.exec", "builtins.setattr", "builtins.delattr"})
"""Functions of the library that return None."""


@rule("TL304", since="0.1", severity=Severity.ERROR)
def target_called_immediately(project: Project) -> Iterator[Problem]:
    """The function is called where it should only be named, so it runs in the current thread and the worker gets its result.

    ## Why is this bad?

    `Thread(target=download(url))` calls `download` first, here, and gives the thread what it returned. If that is `None`, the thread starts, does nothing and ends, without
    a word: the program is as slow as without threads. A pool fails with `TypeError: 'NoneType' object is not callable`, in a future that perhaps nobody asks.

    ## Example

    ```python
    import threading


    def download(url: str) -> None:
        print(url, "in", threading.current_thread().name)


    thread = threading.Thread(target=download("https://example.org"))  # expect: TL304
    thread.start()
    thread.join()
    ```

    ## Use instead

    ```python
    import threading


    def download(url: str) -> None:
        print(url, "in", threading.current_thread().name)


    thread = threading.Thread(target=download, args=("https://example.org",))
    thread.start()
    thread.join()
    ```

    ## Fix

    Safe: the function is handed over, with its arguments: `Thread(target=f(x))` becomes `Thread(target=f, args=(x,))`, `submit(f(x))` becomes `submit(f, x)`.

    ## Known limits

    - Reported only where the function is known and never returns a value (or is a coroutine or generator function); one that returns something may return a callable.
    - Functions with decorators, and methods that a subclass overrides, are left alone.
    """
    for func in project.callers_of(HANDING):
        for call in project.links.calls[func.id].values():
            yield from _check(project, func, call)


def _check(project: Project, func: Func, call: Call) -> Iterator[Problem]:
    candidates = [value for value in (*call.args[:2], *(value for _, value in call.keywords)) if _is_result(value)]
    if not candidates:
        return
    for name, starter in handed_over(project.types, call, func):
        target = call.argument(starter.target, starter.keyword)
        if not isinstance(target, Ref) or not _is_result(target):
            continue
        inner = project.links.calls[func.id].get(int(target.name))
        if inner is None:
            continue
        things = project.types.of(inner.callee, func)
        if things and all(_gives_nothing(project, thing) for thing in things):
            related = tuple(
                Related(project.site(thing.func, thing.func.facts.span), f"`{thing.func.name}` {_gives(thing.func)}")
                for thing in things
                if isinstance(thing, FunctionThing)
            )
            called = text(inner.callee) if isinstance(inner.callee, Ref) else "the function"
            site = project.site(func, inner.span)
            yield Problem(
                site,
                f"`{called}()` is called here, in the current thread; `{name.rpartition('.')[2]}` is given its result instead of the function",
                related,
                fix=_fix(project.site(func, call.span), site, things, arguments(name, starter)),
            )
        return


def _fix(outer: Site, inner: Site, things: Iterable[object], how: str | None) -> Fix | None:
    """Hand over the function; one that only makes a coroutine or a generator is no better off on a thread."""
    if any(
        isinstance(thing, FunctionThing) and (thing.func.facts.is_async or thing.func.facts.is_generator)
        for thing in things
    ):
        return None
    return None if how is None else Fix(Change.HAND_OVER, (inner, outer), safe=True, text=how)


def _is_result(value: object) -> bool:
    return isinstance(value, Ref) and value.root == Root.RESULT and not value.path


def _gives_nothing(project: Project, thing: object) -> bool:
    if isinstance(thing, External):
        return thing.name in _NOTHING
    if not isinstance(thing, FunctionThing):
        return False
    facts = thing.func.facts
    if facts.decorators or not facts.body or all(isinstance(node, Jump) for node in facts.body):
        return False  # what is not written here may return anything
    cls = project.types.owner(thing.func)
    if cls is not None and any(
        facts.name in project.links.methods.get(sub.id, {}) for sub in project.types.subclasses(cls)
    ):
        return False
    if facts.is_async or facts.is_generator:
        return True
    return not any(
        isinstance(node, Jump) and node.kind == "return" and node.value is not None and node.value != Const(None)
        for node in walk(facts.body)
    )


def _gives(func: Func) -> str:
    if func.facts.is_async:
        return "returns a coroutine, which cannot be called"
    if func.facts.is_generator:
        return "returns a generator, which cannot be called"
    return "returns nothing"
