"""TL210."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Call, Ref, Root
from threadlint.findings import Confidence, Problem, Related, Severity
from threadlint.project.locks.locks import Held, Step, text
from threadlint.project.names.things import External, Func, FunctionThing
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_NAMES = ("callback", "listener", "subscriber", "handler", "hook", "observer")
_SETS = frozenset({"set_result", "set_exception"})


@rule("TL210", since="0.1", severity=Severity.WARNING, confidence=Confidence.MEDIUM, default=False)
def callback_under_lock(project: Project) -> Iterator[Problem]:
    """Code that others have registered runs while a lock is held.

    ## Why is this bad?

    Nobody here knows what a callback does. If it calls back into the object, it waits for the lock that its own thread holds; if it takes a lock of its own, the
    two are now taken in an order that nobody has chosen; if it is slow, every user of the lock waits.

    ## Example

    ```python
    import threading


    class Publisher:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self._callbacks = []

        def subscribe(self, callback) -> None:
            with self._lock:
                self._callbacks.append(callback)

        def publish(self, event: str) -> None:
            with self._lock:
                for callback in self._callbacks:
                    callback(event)  # expect: TL210


    publisher = Publisher()
    publisher.subscribe(lambda event: publisher.subscribe(print))
    threading.Thread(target=publisher.publish, args=("start",), daemon=True).start()
    ```

    ## Use instead

    Copy under the lock, and call without it.

    ```python
    import threading


    class Publisher:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self._callbacks = []

        def subscribe(self, callback) -> None:
            with self._lock:
                self._callbacks.append(callback)

        def publish(self, event: str) -> None:
            with self._lock:
                callbacks = list(self._callbacks)
            for callback in callbacks:
                callback(event)


    publisher = Publisher()
    publisher.subscribe(lambda event: publisher.subscribe(print))
    threading.Thread(target=publisher.publish, args=("start",), daemon=True).start()
    ```

    ## Known limits

    - Reported are calls of the items of an attribute, of attributes whose name says that they are callbacks, and `set_result()` of a future, which runs its callbacks.
    - Where every function that the call can mean is known, and is a plain function of the project, nothing is reported.
    - Whether the callback does any harm is not known; so this rule is off unless it is selected.
    """
    for func in project.having(Held):
        seen: set[tuple[int, int, int, int]] = set()
        for step in project.steps(func):
            node = step.node
            held = _lock(step)
            if held is None or not isinstance(node, Call) or node.span in seen:
                continue
            what = _unknown_code(project, func, step, node)
            if what:
                seen.add(node.span)
                yield Problem(
                    project.site(func, node.span),
                    f"{what} runs here with `{held.lock.text}` held; nobody knows what it waits for or calls",
                    (Related(project.site(held.func, held.span), f"`{held.lock.text}` is acquired here"),),
                )


def _lock(step: Step) -> Held | None:
    return next(
        (one for one in step.held if one.lock.known and one.lock.excludes and one.lock.kind.world == "threads"), None
    )


def _unknown_code(project: Project, func: Func, step: Step, call: Call) -> str:
    callee = call.callee
    if not isinstance(callee, Ref):
        return ""
    things = project.types.of(callee, func)
    if things and all(isinstance(thing, FunctionThing) for thing in things):
        return ""
    if callee.path[-1:] and callee.path[-1] in _SETS:
        futures = [
            thing for thing in things if isinstance(thing, External) and thing.name.startswith("concurrent.futures.")
        ]
        return "a callback of a future" if futures else ""
    if callee.root == Root.VAR and not callee.path:
        source = _looped_over(project, func, step, callee)
        return f"`{callee.name}`, one of `{source}`," if source else ""
    last = callee.path[-1] if callee.path else ""
    named = last.startswith("on_") or last.rstrip("s").endswith(_NAMES)
    return f"`{text(callee)}`" if named and not things and callee.root == Root.VAR else ""


def _looped_over(project: Project, func: Func, step: Step, name: Ref) -> str:
    """The attribute whose items the loop around the step gives to the name."""
    for loop in step.loops:
        if loop.kind != "while" and name in loop.targets:
            for source in project.uses.gone_through(loop.value, func):
                if source.path and source.root == Root.VAR:
                    return text(source)
    return ""
