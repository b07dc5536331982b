"""TL306."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Call, Ref, Root
from threadlint.findings import Fix, Problem, Related, Severity
from threadlint.project.bodies.lifetimes import receiver_of
from threadlint.project.locks.locks import text
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import ClassThing, Cls, Func
from threadlint.project.project import Project
from threadlint.project.roots.thread_classes import BASES
from threadlint.rules.rule import rule

_IDLE = frozenset({"setDaemon", "setName", "getName", "is_alive", "isAlive", "isDaemon", "join", "run"})
"""Methods of a thread that do not start it."""


@rule("TL306", since="0.1", severity=Severity.ERROR)
def unstarted_thread(project: Project) -> Iterator[Problem]:
    """The thread or process is made and never started, or its `run()` is called, which does the work in the current thread.

    ## Why is this bad?

    `Thread(...)` only makes an object: until `start()` is called nothing runs. `run()` is an ordinary method; calling it runs the work here and now, one after the other, and
    the caller waits for it.

    ## Example

    ```python
    import threading


    def serve() -> None:
        print("serving in", threading.current_thread().name)


    threading.Thread(target=serve, name="server")  # expect: TL306
    worker = threading.Thread(target=serve, name="worker")
    worker.run()  # expect: TL306
    ```

    ## Use instead

    ```python
    import threading


    def serve() -> None:
        print("serving in", threading.current_thread().name)


    threading.Thread(target=serve, name="server").start()
    worker = threading.Thread(target=serve, name="worker")
    worker.start()
    worker.join()
    ```

    ## Fix

    Unsafe, since it may have been left out on purpose: the thread is started where it is made, and `run()` becomes `start()`.

    ## Known limits

    - A thread that is returned, stored in an attribute or given to other code may be started there and is left alone; so is one whose class does anything with itself when it is made.
    - `run()` on an object that is started elsewhere is taken for a choice. Test files are left out.
    """
    threads: list[str | Cls] = [
        *BASES,
        *(cls for cls in project.links.classes.values() if project.thread_classes.base(cls)),
    ]
    for func, call in project.mentions.calls(["run"]):
        if isinstance(call.callee, Ref) and call.callee.path and not in_tests(func):
            yield from _run(project, func, call)
    for func in project.callers_of(threads):
        for call in project.links.calls[func.id].values() if not in_tests(func) else ():
            if not (isinstance(call.callee, Ref) and call.callee.path[-1:] == ("run",)):
                yield from _made(project, func, call)


def _run(project: Project, func: Func, call: Call) -> Iterator[Problem]:
    receiver = receiver_of(call)
    if receiver is None or receiver.root in (Root.SUPER, Root.CLASS):
        return
    if not receiver.path and receiver.name == project.types.self_name(func) and receiver.owner == func.facts.qualname:
        return
    own = project.types.owner(func)
    if func.facts.name == "run" and own is not None and project.thread_classes.base(own):
        return  # a thread hands its work on
    objects = list(project.thread_classes.objects(receiver, func))
    if (
        objects
        and len(objects) == len(project.types.of(receiver, func))
        and not any(map(project.thread_classes.is_started, objects))
    ):
        made = [one for one in objects if one.frame is not None and one.call is not None]
        name = "the thread" if receiver.root == Root.RESULT else f"`{text(receiver)}`"
        site = project.site(func, call.span)
        yield Problem(
            site,
            f"`run()` does the work of {name} in the current thread; only `start()` makes a thread of it",
            tuple(
                Related(project.site(one.frame, one.call.span), "made here, and never started")
                for one in made[:1]
                if one.frame is not None and one.call is not None
            ),
            fix=Fix(Change.START, (site,)),
        )


def _made(project: Project, func: Func, call: Call) -> Iterator[Problem]:
    base = project.thread_classes.made(func, call)
    if not base or call.use not in ("discarded", "used"):
        return
    classes = [thing.cls for thing in project.types.of(call.callee, func) if isinstance(thing, ClassThing)]
    if any(_is_special(project, cls) for cls in classes):
        return
    what = "process" if base.startswith("multiprocessing") else "timer" if base.endswith("Timer") else "thread"
    name = ""
    if call.use == "used":
        life = project.lifetimes.of(func, call)
        if life.escapes or life.awaited or any(method not in _IDLE for method, _, _ in life.methods):
            return
        if life.called("run") or any(_may_start(project, classes, attribute) for attribute, _ in life.attributes):
            return
        name = next((f" `{ref.name}`" for ref in sorted(life.names, key=str) if ref.root != Root.RESULT), "")
    site = project.site(func, call.span)
    yield Problem(
        site,
        f"the {what}{name} is made here and never started, so its work is not done",
        fix=Fix(Change.START, (site,)),
    )


def _may_start(project: Project, classes: list[Cls], attribute: str) -> bool:
    """Whether what is asked of the thread, to be called by others, is `start` or a method of its class that may call it."""
    return attribute in ("start", "run") or any(project.types.method(cls, attribute) is not None for cls in classes)


def _is_special(project: Project, cls: Cls) -> bool:
    return project.thread_classes.starts_itself(cls) or any(
        project.types.method(cls, name) is not None for name in ("start", "__enter__")
    )
