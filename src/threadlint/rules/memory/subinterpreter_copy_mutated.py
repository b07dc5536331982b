"""TL608."""

from __future__ import annotations

import re
from collections.abc import Iterator

from threadlint.facts.model import Call, Const, Many, Ref, Root, Span, Value
from threadlint.findings import Confidence, Problem, Related, Severity
from threadlint.knowledge.containers import ADDING, REMOVING, REORDERING
from threadlint.knowledge.primitives import INTERPRETER
from threadlint.project.locks.locks import text
from threadlint.project.lost_writes import lost_writes, problem
from threadlint.project.names.things import External, Func
from threadlint.project.names.values import node_refs
from threadlint.project.project import Project
from threadlint.rules.rule import rule


@rule("TL608", since="0.1", severity=Severity.WARNING, confidence=Confidence.MEDIUM)
def subinterpreter_copy_mutated(project: Project) -> Iterator[Problem]:
    """An object is given to another interpreter and changed there, and its creator reads it; what was changed is a copy.

    ## Why is this bad?

    Interpreters share no ordinary objects. What `prepare_main()`, `call()` or a job of an `InterpreterPoolExecutor` is given, and the module's variables too, exist in each
    interpreter anew; a change there is gone when it ends, without any error.

    ## Example

    ```python
    from concurrent import interpreters

    totals = []
    interpreter = interpreters.create()
    interpreter.prepare_main(totals=totals)  # expect: TL608
    interpreter.exec("totals.append(42)")
    print(totals)
    ```

    It prints `[]`.

    ## Use instead

    A queue between interpreters, or the result of `call()`.

    ```python
    from concurrent import interpreters

    totals = interpreters.create_queue()
    interpreter = interpreters.create()
    interpreter.prepare_main(totals=totals)
    interpreter.exec("totals.put(42)")
    print(totals.get())
    ```

    ## Known limits

    - Code given to `exec()` is looked into only where it is a literal.
    - A `memoryview` is shared indeed, and not reported.
    """
    for found in lost_writes(project, "interpreters"):
        yield problem(project, found, "another interpreter")
    for func in project.mentions.callers(["prepare_main"]):
        for call in project.links.calls[func.id].values():
            if (
                isinstance(call.callee, Ref)
                and call.callee.path[-1:] == ("prepare_main",)
                and _is_method(project, func, call)
            ):
                yield from _prepared(project, func, call)


def _is_method(project: Project, func: Func, call: Call) -> bool:
    things = project.types.of(call.callee, func)
    return any(isinstance(one, External) and one.name.rpartition(".")[0] == INTERPRETER for one in things)


def _prepared(project: Project, func: Func, call: Call) -> Iterator[Problem]:
    assert isinstance(call.callee, Ref)
    steps = project.steps(func)
    at = next((number for number, step in enumerate(steps) if step.node is call), len(steps))
    changed: dict[str, Call] = {}
    for step in steps[at + 1 :]:
        node = step.node
        if isinstance(node, Call) and isinstance(node.callee, Ref) and node.callee.path[-1:] == ("exec",) and node.args:
            code = node.args[0]
            if node.callee.receiver == call.callee.receiver and isinstance(code, Const) and isinstance(code.value, str):
                for name, _ in call.keywords:
                    if _changes(code.value, name):
                        changed.setdefault(name, node)
            continue
        for name, value in call.keywords:
            if name in changed and value in tuple(node_refs(node)) and _is_container(project, value, func):
                yield _problem(project, func, call, value, changed.pop(name), node.span)


def _is_container(project: Project, value: Value, func: Func) -> bool:
    return isinstance(value, Many) or (
        isinstance(value, Ref) and value.root in (Root.GLOBAL, Root.VAR) and bool(project.uses.kind(value, func))
    )


def _changes(code: str, name: str) -> bool:
    """Whether the code changes the container with this name."""
    methods = "|".join(sorted(ADDING | REMOVING | REORDERING))
    return re.search(rf"\b{re.escape(name)}\s*(\.({methods})\(|\[[^\]]*\]\s*[-+*/|&]?=[^=]|[-+*|&]=)", code) is not None


def _problem(project: Project, func: Func, call: Call, value: Value, change: Call, read: Span) -> Problem:
    return Problem(
        project.site(func, call.span),
        f"`{text(value)}` is copied into the interpreter; what is changed there is the copy",
        (
            Related(project.site(func, change.span), "the copy is changed here"),
            Related(project.site(func, read), f"`{text(value)}` is read here, unchanged"),
        ),
    )
