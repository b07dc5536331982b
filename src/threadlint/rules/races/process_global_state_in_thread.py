"""TL111."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Access, Call, If, Kind, Ref, Root, Try, With
from threadlint.findings import Confidence, Problem, Related, Severity
from threadlint.knowledge.process_state import CALLS, CONTEXT_AWARE_WARNINGS, MAIN_THREAD_ONLY, SETTINGS, VARIABLES
from threadlint.project.bodies.paths import catches
from threadlint.project.locks.locks import Step
from threadlint.project.names.linker import absolute
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import External, Func
from threadlint.project.names.values import refs
from threadlint.project.project import Project
from threadlint.project.roots.contexts import MAIN, Context
from threadlint.project.roots.thread_roots import Spawn
from threadlint.project.routes import route
from threadlint.rules.rule import rule


@rule("TL111", since="0.1", severity=Severity.WARNING, confidence=Confidence.MEDIUM)
def process_global_state_in_thread(project: Project) -> Iterator[Problem]:
    """A function that runs on a thread changes something that belongs to the whole process.

    ## Why is this bad?

    The working directory, the environment, the locale, `sys.stdout` and the warning filters exist once. While one thread has changed them, every other
    thread works with the change: files are written to the wrong folder, and text of one job lands in the output of another. Two threads that change and
    restore them leave behind whatever the last one saw. `signal.signal()` even fails: it works in the main thread only.

    ## Example

    ```python
    import contextlib
    import io
    from concurrent.futures import ThreadPoolExecutor


    def captured(number: int) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as out:  # expect: TL111
            print("job", number)
        return out.getvalue()


    with ThreadPoolExecutor() as pool:
        for text in pool.map(captured, range(8)):
            print(text)
    ```

    ## Use instead

    Hand over what differs: a stream, a full path, the `cwd` and `env` of a subprocess.

    ```python
    import io
    from concurrent.futures import ThreadPoolExecutor


    def captured(number: int) -> str:
        out = io.StringIO()
        print("job", number, file=out)
        return out.getvalue()


    with ThreadPoolExecutor() as pool:
        for text in pool.map(captured, range(8)):
            print(text)
    ```

    ## Known limits

    - A change under a lock is left alone, though only threads that take the same lock are safe from it.
    - `warnings.catch_warnings()` is safe on free-threaded builds from Python 3.14, where it is not reported if the configuration asks for them.
    - Settings such as environment variables are reported only where several threads run the code: one thread may set them for all.
    - Test files are left out, and so is what only they run on threads.
    """
    for func in project.meetings.on_threads():
        reached = [(context, roots) for context, roots in project.meetings.contexts(func) if roots & ~MAIN]
        if not reached or in_tests(func) or all(context.held for context, _ in reached):
            continue
        # unsound: what tests start on threads says little about how the program itself is used
        roots = [spawn for spawn in project.contexts.roots(project.meetings.roots(func)) if not in_tests(spawn.func)]
        if not roots:
            continue
        told: set[str] = set()
        steps = project.steps(func)
        for number, step in enumerate(steps):
            found = _change(project, func, step)
            if found is None or found[1] in told or step.held or _in_main_thread(project, func, step):
                continue
            if found[1] in SETTINGS and not any(spawn.many for spawn in roots):
                continue
            if not found[1] and all(
                _if_told(project, context, step) or _asks_thread(project, context) for context, _ in reached
            ):
                continue
            if not _entered_under_lock(project, func, steps, number):
                told.add(found[1])
                yield _problem(project, func, step, found, roots, tuple(route(project, reached[0][0])))


def _change(project: Project, func: Func, step: Step) -> tuple[str, str] | None:
    """What the step does, as the reader wrote it, and what it changes; for calls that only the main thread may make that is empty."""
    node = step.node
    if isinstance(node, Call):
        if not getattr(node.callee, "path", ()) and getattr(node.callee, "root", None) not in (
            Root.IMPORT,
            Root.GLOBAL,
        ):
            return None
        for thing in project.types.of(node.callee, func):
            if isinstance(thing, External):
                if thing.name in MAIN_THREAD_ONLY:
                    return f"{thing.name}()", ""
                if thing.name in CALLS and not _safe(project, thing.name):
                    return f"{thing.name}()", CALLS[thing.name]
    elif (
        isinstance(node, Access)
        and node.kind != Kind.READ
        and node.ref.root in (Root.IMPORT, Root.GLOBAL)
        and not node.form
    ):
        whole = absolute(project.links, func.module, node.ref)
        path = tuple(part for part in whole.path if not part.startswith("["))
        name = ".".join((whole.name, *path))
        if whole.root == Root.IMPORT and name in VARIABLES:
            return name, VARIABLES[name]
    return None


def _safe(project: Project, name: str) -> bool:
    target = project.config.target_version
    aware = project.config.free_threaded and target is not None and target >= CONTEXT_AWARE_WARNINGS
    return name == "warnings.catch_warnings" and aware


def _entered_under_lock(project: Project, func: Func, steps: list[Step], number: int) -> bool:
    """`with lock, redirect_stdout(out):` calls before it acquires, and enters after it."""
    call = steps[number].node
    for step in steps[number + 1 :]:
        if isinstance(step.node, With) and isinstance(call, Call):
            values = [item.value for item in step.node.items]
            if call.result in values:
                return any(project.locks.of(value, func) is not None for value in values[: values.index(call.result)])
    return False


def _in_main_thread(project: Project, func: Func, step: Step) -> bool:
    """Whether the step stands under a test of which thread runs it, or the error that it raises elsewhere is expected."""
    for node, part in step.context:
        if isinstance(node, If) and any(_names_thread(project, func, ref) for ref in refs(node.test)):
            return True
        if (
            isinstance(node, Try)
            and part == "body"
            and any(catches(handler, "ValueError") for handler in node.handlers)
        ):
            return True
    return False


def _asks_thread(project: Project, context: Context) -> bool:
    """Whether a function on the way from the thread, or another method of its class, asks which thread is the main one."""
    for reached, _ in project.contexts.chain(context):
        func = reached.func
        beside = (
            project.links.methods.get(f"{func.module.name}:{func.facts.cls}", {}).values()
            if func.facts.cls
            else (func,)
        )
        for one in beside:
            for call in project.links.calls[one.id].values():
                if (
                    isinstance(call.callee, Ref)
                    and (call.callee.name, *call.callee.path)[-1].rpartition(".")[2] == "main_thread"
                ):
                    return True
    return False


def _if_told(project: Project, context: Context, step: Step) -> bool:
    """Whether a parameter decides, somewhere on the way from the thread to the step, if it is run: the thread's caller may have said no."""
    for reached, origin in project.contexts.chain(context):
        names = {param.name for param in reached.func.facts.params[1 if reached.func.facts.cls else 0 :]}
        for node, _ in step.context:
            if isinstance(node, If) and any(
                ref.name in names and ref.owner == reached.func.facts.qualname for ref in refs(node.test)
            ):
                return True
        if origin.context is None:
            return False
        step = project.steps(origin.context.func)[origin.step]
    return False


def _names_thread(project: Project, func: Func, ref: Ref) -> bool:
    call = project.links.calls[func.id].get(int(ref.name)) if ref.root == Root.RESULT else None
    named = call.callee if call is not None else ref
    return isinstance(named, Ref) and "thread" in ".".join((named.name, *named.path)).lower()


def _problem(
    project: Project, func: Func, step: Step, found: tuple[str, str], roots: list[Spawn], why: tuple[Related, ...]
) -> Problem:
    what, changed = found
    related = tuple(Related(project.site(spawn.func, spawn.span), spawn.story) for spawn in roots[:2])
    site = project.site(func, step.node.span)
    if not changed:
        message = f"`{what}` runs in a thread here, and raises `ValueError` everywhere but in the main thread"
        return Problem(site, message, related, severity=Severity.ERROR, why=why)
    subject = f"`{what}`" if what.endswith(")") else "this assignment"
    message = (
        f"{subject} changes {changed} for the whole process, but runs in a thread; all other threads see the change"
    )
    return Problem(site, message, related, why=why)
