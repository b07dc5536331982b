"""TL508."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from threadlint.facts.model import Assert, Call, Node, Ref, Suspend, Try
from threadlint.findings import Confidence, Oracle, Problem, Related, Severity
from threadlint.knowledge.quiet import QUIET
from threadlint.project.bodies.paths import Paths, catches, catches_all, suppresses_all
from threadlint.project.locks.locks import text
from threadlint.project.names.things import Func
from threadlint.project.project import Project
from threadlint.project.signals.signals import SignalCall
from threadlint.rules.rule import rule

_ON_THE_WAY, _SETTLED = "on the way", "settled"


@rule(
    "TL508", since="0.1", severity=Severity.WARNING, confidence=Confidence.MEDIUM, oracle=Oracle.BARRIER, default=False
)
def barrier_without_abort(project: Project) -> Iterator[Problem]:
    """A thread that fails before it comes to the barrier leaves the others waiting there for ever.

    ## Why is this bad?

    `Barrier(4).wait()` returns when four threads wait. When one of them raises on its way, only three ever come, and the program stands still without a word about the error.
    `barrier.abort()` in a handler, or a timeout, turns that into a `BrokenBarrierError` in the other three.

    ## Example

    ```python
    import threading

    barrier = threading.Barrier(3)


    def step(text: str) -> None:
        number = int(text)
        barrier.wait()  # expect: TL508
        print(number)


    for text in ("1", "2", "three"):
        threading.Thread(target=step, args=(text,)).start()
    ```

    ## Use instead

    ```python
    import threading

    barrier = threading.Barrier(3)


    def step(text: str) -> None:
        try:
            number = int(text)
        except BaseException:
            barrier.abort()
            raise
        barrier.wait()
        print(number)


    for text in ("1", "2", "three"):
        threading.Thread(target=step, args=(text,)).start()
    ```

    ## Known limits

    - What the function calls before the barrier counts as able to raise, except for logging, asking and storing; what its callers do before is not looked at.
    - A timeout of the barrier, or of all its waits, is enough.
    """
    by_func: dict[str, list[SignalCall]] = defaultdict(list)
    for wait in project.signals.calls("barrier", "wait"):
        if not _limited(project, wait):
            by_func[wait.func.id].append(wait)
    for waits in by_func.values():
        yield from _check(project, waits)
    for wait in project.signals.calls("barrier", "wait"):
        yield from _swallowed(project, wait)


def _limited(project: Project, wait: SignalCall) -> bool:
    if wait.call.argument(0, "timeout") is not None or not wait.origins:
        return True
    return any(project.signals.made(origin)[1].argument(2, "timeout") is not None for origin in wait.origins)


def _check(project: Project, waits: list[SignalCall]) -> Iterator[Problem]:
    func = waits[0].func
    settling = {
        call.call.id
        for call in project.signals.calls("barrier", "wait", "abort")
        if call.func is func and call.origins & waits[0].origins
    }

    def step(node: Node, state: str) -> str:
        return _SETTLED if isinstance(node, Call) and node.id in settling else state

    def raises(node: Node) -> bool:
        if isinstance(node, Call):
            return node.id not in settling and not _quiet(node)
        return isinstance(node, (Assert, Suspend))

    paths = Paths(
        step,
        raises,
        catches_all,
        lambda node: suppresses_all(node, lambda value: project.types.of(value, func)),
    )
    outcome = paths.run(func.facts.body, _ON_THE_WAY)
    ways = sorted(span for state, span in outcome.get("raise") if state == _ON_THE_WAY)
    first = min(waits, key=lambda wait: wait.call.span)
    if ways and ways[0] < first.call.span:
        yield _problem(project, func, first, ways[0])


def _swallowed(project: Project, wait: SignalCall) -> Iterator[Problem]:
    """`except BrokenBarrierError: pass`: the next step begins although not all have done this one."""
    for node, part in reversed(wait.step.context):
        if not isinstance(node, Try) or part != "body":
            continue
        for handler in node.handlers:
            if not handler.body and catches(handler, "BrokenBarrierError"):
                yield Problem(
                    project.site(wait.func, wait.call.span),
                    f"when `{text(wait.receiver)}` breaks, the error is dropped, and this thread goes on as if all had come",
                    (Related(project.site(wait.func, handler.span), "dropped here"),),
                    provable=False,
                )
                return


def _problem(project: Project, func: Func, wait: SignalCall, span: tuple[int, int, int, int]) -> Problem:
    name = text(wait.receiver)
    made, call = project.signals.made(min(wait.origins))
    return Problem(
        project.site(func, wait.call.span),
        f"when line {span[0]} raises, this thread never comes to `{name}`, and the others wait there for ever; abort it, or give it a timeout",
        (
            Related(project.site(func, span), "this can raise"),
            Related(project.site(made, call.span), "the barrier is made here"),
        ),
    )


def _quiet(call: Call) -> bool:
    callee = call.callee
    return isinstance(callee, Ref) and (callee.name, *callee.path)[-1].rpartition(".")[2] in QUIET
