"""TL707."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Access, Assert, Call, Compare, If, Jump, Kind, Logic, Loop, Ref, Root, Suspend, Value
from threadlint.findings import Fix, Oracle, Problem, Related, Severity
from threadlint.knowledge.event_loops import LIBRARY_COROUTINES, TASK_MAKERS
from threadlint.project.bodies.lifetimes import named
from threadlint.project.names.mentions import last_part
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import ClassThing, External, Func, FunctionThing
from threadlint.project.names.values import refs
from threadlint.project.project import Project
from threadlint.project.roots.coroutines import is_coroutine_function
from threadlint.rules.rule import rule

_MAKING = frozenset({"create_task", "ensure_future", "gather"})
_RUNNING = frozenset({"run_forever", "run_until_complete"})
_QUESTIONS = frozenset({"iscoroutinefunction", "iscoroutine", "isawaitable"})


@rule("TL707", since="0.1", severity=Severity.ERROR, oracle=Oracle.NEVER_AWAITED)
def discarded_coroutine(project: Project) -> Iterator[Problem]:
    """A coroutine is made and never awaited, or its task is kept by nobody.

    ## Why is this bad?

    Calling an `async def` function only makes a coroutine; its body runs when it is awaited or given to a task. A call that stands alone does nothing at all, and as
    a test it is always true. Python says `RuntimeWarning: coroutine ... was never awaited`, when the garbage collector comes by.

    A task does run. But the event loop only keeps weak references to tasks, so one that nobody else keeps may be collected in the middle of its work, and what it
    raises is told to nobody when it happens. The documentation of `asyncio.create_task()` asks to keep the result.

    ## Example

    ```python
    import asyncio

    saved = []


    async def save(row: str) -> None:
        await asyncio.sleep(0)
        saved.append(row)


    async def main() -> None:
        save("first")  # expect: TL707
        asyncio.create_task(save("second"))  # expect: TL707
        await asyncio.sleep(0.01)


    asyncio.run(main())
    print(saved)
    ```

    ## Use instead

    ```python
    import asyncio

    saved = []


    async def save(row: str) -> None:
        await asyncio.sleep(0)
        saved.append(row)


    async def main() -> None:
        await save("first")
        task = asyncio.create_task(save("second"))
        await asyncio.sleep(0.01)
        await task


    asyncio.run(main())
    print(saved)
    ```

    For many tasks use `asyncio.TaskGroup`, which keeps them and waits for them, or a set from which each task removes itself: `tasks.add(task)` and
    `task.add_done_callback(tasks.discard)`.

    ## Fix

    Unsafe, since the coroutine then runs, and the caller waits for it: `work()` becomes `await work()`. A task that nobody keeps is kept in a set of the module until it is done.

    ## Known limits

    - What is called must be known: a function or method of the project, or one of `asyncio`, `anyio` and `trio`. A method that anything in the project assigns to an
      attribute of the same name, and one under an unknown decorator, is left alone.
    - A task is only missed where its result is dropped on the spot, or bound to a local name that is never read and no `await` follows. `create_task(...)` with
      `add_done_callback(...)` behind it is not reported, although nobody keeps that task either.
    - Task groups and nurseries keep their tasks. In test files dropped tasks are not reported, dropped coroutines are.
    - ruff's RUF006 knows the dropped task where it is spelled `asyncio.create_task` or `asyncio.ensure_future`; this rule goes by what the name means.
    """
    coroutines = [func for func in project.functions if is_coroutine_function(func)]
    making = [*project.callers_of([*coroutines, *LIBRARY_COROUTINES]), *project.mentions.callers(_MAKING)]
    for func in dict.fromkeys(making):
        other_world = _for_plain_code(project, func)
        for call in project.links.calls[func.id].values():
            if call.id in other_world:
                continue
            if call.use == "discarded" or (
                call.use == "used" and _matters(project, func, call) and _unread(project, func, call)
            ):
                yield from _dropped(project, func, call)
            elif _makes_task(project, func, call) and _only_returned(project, func, call) and not in_tests(func):
                yield from _dropped_by_callers(project, func, call)
        for step in project.steps(func):
            node = step.node
            if isinstance(node, (If, Assert)) or (isinstance(node, Loop) and node.kind == "while"):
                for call in _tested(node.value if isinstance(node, Loop) else node.test, project, func):
                    name = project.coroutines.certain(call, func)
                    if name:
                        site = project.site(func, call.span)
                        yield Problem(
                            site,
                            f"the coroutine of `{name}()` is tested instead of its result; it is never awaited, and always true",
                            _body(project, call, func),
                            partners=(site,),
                        )


def _for_plain_code(project: Project, func: Func) -> set[int]:
    """The numbers of the calls in branches for the plain twin of the code: `if _IS_SYNC: self.open()`, or for objects of other classes."""
    return {
        step.node.id
        for step in project.steps(func)
        if isinstance(step.node, Call)
        and any(
            isinstance(node, If)
            and (
                _is_plain_branch(node.test, part)
                or _is_of_other_class(project, func, step.node, node.test, part)
                or _is_for_plain_functions(project, func, node.test, part)
            )
            for node, part in step.context
        )
    }


def _is_for_plain_functions(project: Project, func: Func, test: Value, part: str) -> bool:
    """Whether the branch is for what has just been found to make no coroutine: `if iscoroutinefunction(send): await send(x)`, and in the `else`, `send(x)`."""
    negated = isinstance(test, Logic) and test.op == "not"
    test = test.items[0] if isinstance(test, Logic) and negated else test
    asked = (
        project.links.calls[func.id].get(int(test.name)) if isinstance(test, Ref) and test.root == Root.RESULT else None
    )
    return asked is not None and last_part(asked.callee) in _QUESTIONS and negated == (part == "body")


def _is_of_other_class(project: Project, func: Func, call: Call, test: Value, part: str) -> bool:
    """Whether the branch is for what has just been found to be no instance: `if isinstance(one, Task): await one.stop()`, and in the `else`, `one.stop()`."""
    negated = isinstance(test, Logic) and test.op == "not"
    test = test.items[0] if isinstance(test, Logic) and negated else test
    asked = (
        project.links.calls[func.id].get(int(test.name)) if isinstance(test, Ref) and test.root == Root.RESULT else None
    )
    if asked is None or last_part(asked.callee) != "isinstance" or negated != (part == "body") or len(asked.args) < 2:
        return False
    callee = call.callee
    if not isinstance(callee, Ref) or not callee.path or asked.args[0] != callee.receiver:
        return False
    methods = (
        project.types.method(thing.cls, callee.path[-1])
        for thing in project.types.of(asked.args[1], func)
        if isinstance(thing, ClassThing)
    )
    return any(method is not None and method.facts.is_async for method in methods)


def _matters(project: Project, func: Func, call: Call) -> bool:
    """Whether the result is one that must not be dropped; asked before all uses of the result are looked for."""
    return bool(project.coroutines.certain(call, func)) or _makes_task(project, func, call)


def _is_plain_branch(test: Value, part: str) -> bool:
    negated = isinstance(test, Logic) and test.op == "not"
    for ref in refs(test):
        word = (ref.name, *ref.path)[-1].lower()
        if "async" in word:
            return negated == (part == "body")
        if "sync" in word:
            return negated != (part == "body")
    return False


def _told_ruff(func: Func, call: Call) -> bool:
    """Whether a comment tells ruff's rule on dropped tasks that this one is meant."""
    return any(
        "RUF006" in one.codes and one.first <= call.span[2] and call.span[0] <= one.last
        for one in func.module.facts.suppressions
    )


def _dropped(project: Project, func: Func, call: Call) -> Iterator[Problem]:
    site = project.site(func, call.span)
    name = project.coroutines.certain(call, func)
    if name and not (not func.facts.is_async and func.facts.cls and _made_plain(project, func)):
        message = f"the coroutine of `{name}()` is never awaited, so its body never runs"
        awaits = Fix(Change.AWAIT, (site,)) if func.facts.is_async and call.use == "discarded" else None
        yield Problem(site, message, _body(project, call, func), partners=(site,), fix=awaits)
    elif _makes_task(project, func, call) and not in_tests(func) and not _told_ruff(func, call):
        if call.use != "discarded" and _waits_later(project, func, call):
            return
        made = [one for value in call.args for one in project.coroutines.of(value, func)]
        what = f" of `{made[0].target.func.name}()`" if len(made) == 1 else ""
        tasks = "tasks of `gather()` are" if last_part(call.callee) == "gather" else f"task{what} is"
        ends = (
            "they end, and their exceptions are"
            if last_part(call.callee) == "gather"
            else "it ends, and its exception is"
        )
        message = f"the {tasks} kept by nobody: the garbage collector may come before {ends} not seen"
        keeps = (
            Fix(Change.KEEP_TASK, (site,)) if call.use == "discarded" and last_part(call.callee) != "gather" else None
        )
        yield Problem(site, message, provable=False, fix=keeps)


def _dropped_by_callers(project: Project, func: Func, call: Call) -> Iterator[Problem]:
    """A function that makes tasks for others, and keeps none of them."""
    callers = [
        (caller, made)
        for caller in project.callers_of([func])
        for made in project.links.calls[caller.id].values()
        if last_part(made.callee) == func.facts.name
        and any(isinstance(thing, FunctionThing) and thing.func is func for thing in project.callees(caller, made))
    ]
    dropping = [(caller, made) for caller, made in callers if made.use == "discarded"]
    if dropping:
        yield Problem(
            project.site(func, call.span),
            f"the task is kept by nobody where callers of `{func.name}()` drop it, as {len(dropping)} of {len(callers)} do: the garbage collector may come before it ends",
            tuple(
                Related(project.site(caller, made.span), "the task is dropped here") for caller, made in dropping[:3]
            ),
            provable=False,
        )


def _only_returned(project: Project, func: Func, call: Call) -> bool:
    """Whether the function gives the task to its caller and to nobody else; a callback of the task does not keep it."""
    if call.use == "returned":
        return True
    name: Ref | None = None
    returned = False
    for step in project.steps(func):
        node = step.node
        if isinstance(node, Access) and node.kind == Kind.WRITE and node.value == call.result:
            name = node.ref
            if name.path or name.root != Root.VAR or name.name in func.facts.captured:
                return False
            continue
        if name is None or not any(ref.name == name.name and ref.root == Root.VAR for ref in named(node)):
            continue
        if isinstance(node, Jump) and node.value == name:
            returned = True
        elif not (isinstance(node, Access) and node.kind == Kind.READ) and not (
            isinstance(node, Call) and node.callee == Ref(name.root, name.name, ("add_done_callback",), name.owner)
        ):
            return False
    return returned


def _made_plain(project: Project, func: Func) -> bool:
    """Whether the project turns coroutine functions of classes into plain ones when it is imported: `setattr(cls, name, plain)` where they are told apart."""
    package = func.module.name.partition(".")[0]
    called: dict[str, set[str]] = {}
    for other in project.functions:
        if other.module.name.partition(".")[0] == package:
            names = called.setdefault(other.module.name, set())
            names.update(last_part(call.callee) for call in project.links.calls[other.id].values())
    probes = {"iscoroutinefunction", "iscoroutine", "isasyncgenfunction"}
    return any("setattr" in names and names & probes for names in called.values())


def _body(project: Project, call: Call, func: Func) -> tuple[Related, ...]:
    return tuple(
        Related(project.site(one.target.func, one.target.func.facts.span), f"`{one.target.func.name}` is `async def`")
        for one in list(project.coroutines.made(call, func))[:1]
    )


def _makes_task(project: Project, func: Func, call: Call) -> bool:
    """Whether the call starts tasks that its result alone keeps; `loop.create_task()` of an unknown object goes by the object's name."""
    callee = call.callee
    if not isinstance(callee, Ref) or last_part(call.callee) not in _MAKING:
        return False
    things = project.types.of(callee, func)
    if things:
        return all(isinstance(thing, External) and thing.name in TASK_MAKERS for thing in things) and _given_coroutines(
            project, func, call
        )
    if last_part(call.callee) != "create_task" or not callee.path:
        return False
    receiver = callee.receiver
    called = project.links.calls[func.id].get(int(receiver.name)) if receiver.root == Root.RESULT else None
    owner = (
        receiver.path[-1]
        if receiver.path
        else last_part(called.callee)
        if called is not None
        else receiver.name.rpartition(".")[2]
    )
    return owner.endswith("loop")


def _given_coroutines(project: Project, func: Func, call: Call) -> bool:
    """Whether `gather()` is given coroutines, which only its tasks hold, and not tasks that others keep."""
    if last_part(call.callee) != "gather":
        return not any(_returns_nothing(project, func, value) for value in call.args[:1])
    for value in call.args:
        if isinstance(value, Ref) and value.root == Root.RESULT:
            made = project.links.calls[func.id].get(int(value.name))
            if made is None or _makes_task(project, func, made):
                continue
            things = project.types.of(made.callee, func)
            if all(isinstance(thing, FunctionThing) and thing.func.facts.is_async for thing in things):
                return True
        elif any(True for _ in project.coroutines.of(value, func)):
            return True
    return False


def _returns_nothing(project: Project, func: Func, value: Value) -> bool:
    """Whether the value is what plain functions without a result gave: no coroutine, and no task comes of it."""
    made = (
        project.links.calls[func.id].get(int(value.name))
        if isinstance(value, Ref) and value.root == Root.RESULT and not value.path
        else None
    )
    things = project.types.of(made.callee, func) if made is not None else ()
    return bool(things) and all(
        isinstance(thing, FunctionThing)
        and not (thing.func.facts.is_async or thing.func.facts.is_generator or thing.func.facts.decorators)
        and not any(True for _ in project.types.returned(thing.func))
        for thing in things
    )


def _unread(project: Project, func: Func, call: Call) -> bool:
    """Whether the result is bound to a local name that nobody reads."""
    if call.use != "used" or func.is_module:
        return False
    bound: Ref | None = None
    for step in project.steps(func):
        node = step.node
        value = getattr(node, "value", None)
        if isinstance(node, Access) and node.kind == Kind.WRITE and value == call.result and not node.form:
            ref = node.ref
            if ref.path or ref.root != Root.VAR or ref.owner != func.facts.qualname:
                return False
            bound = ref
        elif any(ref.root == Root.RESULT and ref.name == call.result.name for ref in named(node)):
            return False
    if bound is None or bound.name in func.facts.captured:
        return False
    return not any(
        ref.root == Root.VAR and ref.name == bound.name and ref.owner == bound.owner
        for step in project.steps(func)
        for ref in named(step.node)
        if not (isinstance(step.node, Access) and step.node.kind != Kind.READ and ref is step.node.ref and not ref.path)
    )


def _waits_later(project: Project, func: Func, call: Call) -> bool:
    """Whether the function stops, or runs the loop, after it has bound the task: until it goes on, the name keeps the task."""
    steps = project.steps(func)
    at = next((number for number, step in enumerate(steps) if step.node is call), 0)
    return any(
        isinstance(step.node, Suspend)
        or getattr(step.node, "is_async", False)
        or (isinstance(step.node, Call) and last_part(step.node.callee) in _RUNNING)
        for step in steps[at + 1 :]
    ) or bool(steps[at].loops)


def _tested(test: Value, project: Project, func: Func) -> Iterator[Call]:
    """The calls whose result is itself asked whether it is true, or compared."""
    if isinstance(test, Logic) and test.op in ("and", "or", "not"):
        for item in test.items:
            yield from _tested(item, project, func)
    elif isinstance(test, Compare):
        yield from _tested(test.left, project, func)
        yield from _tested(test.right, project, func)
    elif isinstance(test, Ref) and test.root == Root.RESULT and not test.path:
        call = project.links.calls[func.id].get(int(test.name))
        if call is not None:
            yield call
