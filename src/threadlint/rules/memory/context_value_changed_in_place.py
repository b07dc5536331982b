"""TL611."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from threadlint.facts.model import Access, Call, Kind, Many, Ref, Root, Span, Try, Value
from threadlint.findings import Confidence, Problem, Related, Severity
from threadlint.knowledge.containers import ADDING, REMOVING, REORDERING
from threadlint.project.bodies.context_vars import VarUse
from threadlint.project.bodies.paths import catches
from threadlint.project.names.carriers import Made
from threadlint.project.names.things import Func, FunctionThing
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_CHANGING = ADDING | REMOVING | REORDERING
_DEEP = 3


@rule("TL611", since="0.1", severity=Severity.WARNING, confidence=Confidence.MEDIUM)
def context_value_changed_in_place(project: Project) -> Iterator[Problem]:
    """The container in a context variable is changed in place, and contexts that were copied share it.

    ## Why is this bad?

    A task, or `asyncio.to_thread()`, gets a copy of the context, but not of the values in it. A list or dict that is the variable's default, or that whoever asks first puts there,
    is one object for all of them: what one request adds, every other sees.

    ## Example

    ```python
    import asyncio
    import contextvars

    fields = contextvars.ContextVar("fields", default={})


    async def handle(user: str) -> None:
        fields.get()["user"] = user  # expect: TL611
        await asyncio.sleep(0)
        print("log:", fields.get())


    async def main() -> None:
        await asyncio.gather(handle("ann"), handle("bob"))


    asyncio.run(main())
    ```

    It prints `log: {'user': 'bob'}` twice.

    ## Use instead

    Set a new container.

    ```python
    import asyncio
    import contextvars

    fields = contextvars.ContextVar("fields")


    async def handle(user: str) -> None:
        fields.set({**fields.get({}), "user": user})
        await asyncio.sleep(0)
        print("log:", fields.get())


    async def main() -> None:
        await asyncio.gather(handle("ann"), handle("bob"))


    asyncio.run(main())
    ```

    ## Known limits

    - Reported where the container is the variable's default, or where a reader that finds none sets it. One that each request sets for itself may well be meant for all its tasks.
    """
    shared = {
        var: made
        for var, call in project.context_vars.made().items()
        if (made := _shared(project, var, call)) is not None
    }
    if not shared:
        return
    getters = _getters(project, shared)
    for func in dict.fromkeys((*project.mentions.callers(["get"]), *project.callers_of(getters))):
        told: set[Made] = set()
        for value, var, name in _values(project, func, shared, getters):
            change = _change(project, func, value)
            if change is not None and var not in told:
                told.add(var)
                where, span, how = shared[var]
                yield Problem(
                    project.site(func, change),
                    f"the container in the context variable `{name}` is changed in place; tasks and threads with a copy of this context share it",
                    (Related(project.site(where, span), how),),
                )


def _shared(project: Project, var: Made, call: Call) -> tuple[Func, Span, str] | None:
    """Where the container comes from that several contexts can get: the default, or a reader that found none."""
    frame = project.links.funcs[var[0]]
    default = call.keyword("default")
    if isinstance(default, Many) or (isinstance(default, Ref) and project.uses.kind(default, frame)):
        return frame, call.span, "it is the default, one for all contexts"
    for func in project.mentions.callers(["set"]):
        for use in project.context_vars.of(func):
            if (
                use.var == var
                and use.method == "set"
                and use.call.args
                and _is_new(project, func, use.call.args[0])
                and _lazily(project, use)
            ):
                return func, use.call.span, "whoever asks first puts it there"
    return None


def _is_new(project: Project, func: Func, value: Value) -> bool:
    if isinstance(value, Many):
        return not value.items
    return isinstance(value, Ref) and bool(project.uses.kind(value, func))


def _lazily(project: Project, use: VarUse) -> bool:
    """`except LookupError: var.set({})`."""
    return any(
        isinstance(node, Try)
        and part.startswith("handler")
        and any(catches(handler, "LookupError") for handler in node.handlers)
        for node, part in project.steps(use.func)[use.step].context
    )


def _getters(project: Project, shared: dict[Made, tuple[Func, Span, str]]) -> dict[Func, VarUse]:
    """Functions that return the container itself."""
    found: dict[Func, VarUse] = {}
    for func in project.mentions.callers(["get"]):
        gets = [use for use in project.context_vars.of(func) if use.method == "get" and use.var in shared]
        names = {use.call.result: use for use in gets}
        for value in project.types.returned(func) if gets else ():
            for one in _origins(project, func, value):
                if one in names:
                    found[func] = names[one]
    return found


def _origins(project: Project, func: Func, value: Value, depth: int = _DEEP) -> Iterator[Value]:
    """The value, and what the local name that it is was bound to."""
    yield value
    if depth and isinstance(value, Ref) and value.root == Root.VAR and not value.path:
        for where, access in project.links.bindings.get((func.id, value.name), ()):
            if where is func and access.value is not None:
                yield from _origins(project, func, access.value, depth - 1)


def _values(
    project: Project, func: Func, shared: dict[Made, tuple[Func, Span, str]], getters: dict[Func, VarUse]
) -> Iterator[tuple[Ref, Made, str]]:
    """The names in the function that are the container: results of `get()` and of getters, and locals bound to them."""
    results: dict[Ref, tuple[Made, str]] = {
        use.call.result: (use.var, use.text)
        for use in project.context_vars.of(func)
        if use.method == "get" and use.var in shared
    }
    for call in project.links.calls[func.id].values() if getters else ():
        for thing in project.callees(func, call):
            if isinstance(thing, FunctionThing) and thing.func in getters:
                getter = getters[thing.func]
                results[call.result] = (getter.var, getter.text)
    for result, (var, name) in results.items():
        yield result, var, name
    for local in _locals(project, func) if results else ():
        bound = project.links.bindings.get((func.id, local), ())
        values = [access.value for where, access in bound if where is func]
        if values and all(isinstance(one, Ref) and one in results for one in values):
            var, name = results[values[0]]  # type: ignore[index]
            yield Ref(Root.VAR, local, (), func.facts.qualname), var, name


def _locals(project: Project, func: Func) -> Iterable[str]:
    """The variables that the function binds, each once."""
    nodes = (step.node for step in project.steps(func))
    return dict.fromkeys(
        node.ref.name
        for node in nodes
        if isinstance(node, Access) and node.kind != Kind.READ and node.ref.root == Root.VAR and not node.ref.path
    )


def _change(project: Project, func: Func, value: Ref) -> Span | None:
    """Where the container is changed."""
    for step in project.steps(func):
        node = step.node
        if isinstance(node, Call) and isinstance(node.callee, Ref):
            changed = node.callee if node.callee.path and node.callee.path[-1] in _CHANGING else None
        elif isinstance(node, Access) and node.kind != Kind.READ:
            changed = node.ref if node.ref.path and node.ref.path[-1].startswith("[") else None
        else:
            continue
        if changed is not None and changed.receiver == value:
            return node.span
    return None
