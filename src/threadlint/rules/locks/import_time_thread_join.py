"""TL217."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Call, Compare, If, Ref, Root, Span, Value
from threadlint.findings import Confidence, Problem, Related, Severity
from threadlint.project.locks.lock_calls import node_refs
from threadlint.project.names.linker import from_relative
from threadlint.project.names.things import Func, FunctionThing, Module
from threadlint.project.names.values import refs
from threadlint.project.project import Project
from threadlint.project.roots.thread_roots import Spawn
from threadlint.rules.rule import rule

_DEEPEST = 4


@rule("TL217", since="0.1", severity=Severity.WARNING, confidence=Confidence.MEDIUM)
def import_time_thread_join(project: Project) -> Iterator[Problem]:
    """A module waits for a thread while it is being imported, and that thread imports the module.

    ## Why is this bad?

    While a module is being imported, other threads that import it wait until that is done. When the import itself waits for such a thread, with `join()`, `result()`
    or by leaving the `with` of a pool, neither goes on, and the program hangs before its first line.

    ## Example

    ```python
    import threading

    settings = {"size": 3}


    def warm_cache() -> None:
        from example import settings

        print(settings["size"])


    thread = threading.Thread(target=warm_cache)
    thread.start()
    thread.join()  # expect: TL217
    ```

    ## Use instead

    Start threads in a function that the program calls once everything is imported.

    ```python
    import threading

    settings = {"size": 3}


    def warm_cache() -> None:
        print(settings["size"])


    def start() -> threading.Thread:
        thread = threading.Thread(target=warm_cache)
        thread.start()
        return thread
    ```

    ## Known limits

    - The thread must be seen to import the module, or something below it, in a function that it reaches by at most four calls.
    - Modules with `if __name__ == "__main__":`, `__main__.py` and test files are taken for programs that nobody imports.
    - A module that only starts a thread, or waits for one that imports other things, is not reported.
    """
    for spawn in project.spawns:
        module = spawn.func.module
        if not spawn.func.is_module or spawn.end < 0 or _is_program(module):
            continue
        found = _imports(project, spawn.target.func, module)
        if found is not None:
            yield _problem(project, spawn, *found)


def _problem(project: Project, spawn: Spawn, func: Func, span: Span) -> Problem:
    steps = project.steps(spawn.func)
    waits = steps[spawn.end].node
    place = (
        waits.span if isinstance(waits, Call) else next((node.span for node, _ in steps[spawn.end].context), spawn.span)
    )
    name = spawn.target.func.name
    return Problem(
        project.site(spawn.func, place if waits is not spawn.call else spawn.span),
        f"the import of this module waits here for `{name}`, which imports the module and so waits for the end of this import",
        (
            Related(project.site(spawn.func, spawn.span), f"`{name}` is {spawn.verb} here"),
            Related(project.site(func, span), "it imports the module, and uses that here"),
        ),
    )


def _imports(project: Project, target: Func, module: Module) -> tuple[Func, Span] | None:
    """Where the function, or one that it calls, imports the module that is being imported."""
    todo, seen = [(target, 0)], {target.id}
    while todo:
        func, depth = todo.pop(0)
        for step in project.steps(func):
            node = step.node
            if any(_means(ref, func, module) for ref in node_refs(node)):
                return func, node.span
            for thing, _ in project.calls(func, step) if depth < _DEEPEST else ():
                if isinstance(thing, FunctionThing) and thing.func.id not in seen:
                    seen.add(thing.func.id)
                    todo.append((thing.func, depth + 1))
    return None


def _means(value: Ref, func: Func, module: Module) -> bool:
    """Whether the name comes from an import of the module inside the function; what the file imports at its top is there already."""
    if value.root != Root.IMPORT or any(value.name == dotted for _, dotted in func.module.facts.exports):
        return False
    dotted = ".".join([from_relative(func.module, value.name), *value.path])
    return dotted == module.name or dotted.startswith(f"{module.name}.")


def _is_program(module: Module) -> bool:
    """Whether the file is one that is run and not imported."""
    last = module.name.rpartition(".")[2]
    if last in ("__main__", "conftest") or last.startswith("test_") or last.endswith("_test"):
        return True
    return any(isinstance(node, If) and _asks_main(node.test) for node in module.facts.functions[0].body)


def _asks_main(test: Value) -> bool:
    return isinstance(test, Compare) and any(ref.name == "__name__" for ref in refs(test))
