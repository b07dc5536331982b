"""TL406."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import (
    Access,
    Call,
    Compare,
    Const,
    If,
    Jump,
    Kind,
    Loop,
    Match,
    Node,
    Ref,
    Root,
    Value,
    walk,
)
from threadlint.findings import Problem, Related, Severity
from threadlint.knowledge.stdlib import QUEUES
from threadlint.project.bodies.lifetimes import receiver_of
from threadlint.project.locks.locks import text
from threadlint.project.names.things import Cls, Func, Object, Thing
from threadlint.project.names.values import refs
from threadlint.project.project import Project
from threadlint.project.queues.consumers import waits_for_ever
from threadlint.project.queues.queues import Origin, Use
from threadlint.project.waited_tasks import cancels, hangs_somebody
from threadlint.rules.rule import rule


@rule("TL406", since="0.1", severity=Severity.WARNING)
def stop_flag_behind_blocking_get(project: Project) -> Iterator[Problem]:
    """The loop looks at its stop flag only between two items, and while the queue is empty `get()` waits and nobody looks.

    ## Why is this bad?

    `while not stop.is_set(): job = jobs.get()` ends when the flag is set and one more item comes. When the producers stop as well, no item comes: the thread waits in `get()` for ever, and so does
    whoever joins it, or the interpreter at its exit.

    ## Example

    ```python
    import queue
    import threading

    jobs: queue.Queue[int] = queue.Queue()
    stop = threading.Event()


    def worker() -> None:
        while not stop.is_set():
            print(jobs.get())  # expect: TL406


    thread = threading.Thread(target=worker)
    thread.start()
    jobs.put(1)
    stop.set()
    thread.join()
    ```

    ## Use instead

    ```python
    import queue
    import threading

    jobs: queue.Queue[int] = queue.Queue()
    stop = threading.Event()


    def worker() -> None:
        while not stop.is_set():
            try:
                print(jobs.get(timeout=0.5))
            except queue.Empty:
                continue


    thread = threading.Thread(target=worker)
    thread.start()
    jobs.put(1)
    stop.set()
    thread.join()
    ```

    ## Known limits

    - Only queues are looked at, not sockets and pipes. Tasks of `asyncio` count where the function that starts them waits for them and nothing in its file cancels any.
    - Silent where a stop marker may come through the queue: the loop tests the item, the function that sets the flag also puts something, or the queue is shut down.
    - Daemon threads that nobody joins are left alone: the program ends without them.
    """
    for origin, uses in project.queues.uses().items():
        if any(use.method == "shutdown" for use in uses):
            continue
        awaited = QUEUES[project.queues.kinds[origin]] == "tasks"
        for use in uses:
            if use.method == "get" and waits_for_ever(use.call, awaited=awaited):
                yield from _check(project, origin, use, uses)


def _check(project: Project, origin: Origin, use: Use, uses: list[Use]) -> Iterator[Problem]:
    func = use.func
    step = next((one for one in project.steps(func) if one.node is use.call), None)
    loop = step.loops[-1] if step is not None and step.loops else None
    if loop is None or loop.kind != "while" or isinstance(loop.value, Const):
        return
    flag = _flag(project, loop, func, _item_classes(project, uses))
    if flag is None or _tests_item(loop, use) or _woken(flag, func, uses):
        return
    spawn = next(
        (one for one in project.consumers.spawns(origin) if func.id in project.pools.reached(one.target.func)), None
    )
    if spawn is None or not hangs_somebody(project, spawn):
        return
    if spawn.kind == "task" and cancels(project, project.links.functions_of(spawn.func.module)):
        return  # who sets the flag may also cancel whoever waits for the task
    yield Problem(
        project.site(func, use.call.span),
        f"`{text(flag)}` is looked at only between two items; while `{text(use.receiver)}` is empty, `get()` waits and the stop request is not seen",
        (
            Related(project.site(func, loop.span), "the flag is tested here"),
            Related(project.site(spawn.func, spawn.span), spawn.story),
        ),
    )


def _item_classes(project: Project, uses: list[Use]) -> set[str]:
    """The classes of the program's objects that are put into the queue, and those that derive from them, by id."""
    found = {
        thing.type
        for use in uses
        if use.method in ("put", "put_nowait") and use.call.args
        for thing in (*project.types.of(use.call.args[0], use.func), *_declared(project, use))
        if isinstance(thing, Object) and isinstance(thing.type, Cls)
    }
    return {one.id for cls in found for one in (cls, *project.types.subclasses(cls))}


def _declared(project: Project, use: Use) -> Iterator[Thing]:
    """What the parameter that is put is annotated as: it may be given more than can be told apart."""
    value, func = use.call.args[0], use.func
    for param in func.facts.params:
        if param.annotation is not None and value == Ref(Root.VAR, param.name, (), func.facts.qualname):
            yield from project.types.instances(param.annotation, project.types.scope(func))


def _flag(project: Project, loop: Loop, func: Func, items: set[str]) -> Ref | None:
    """What the loop's test asks of others: an event, or an attribute or global that some other function sets to a constant.

    An item that sets it is no other: it comes out of the queue, so the loop is not waiting then.
    """
    for ref in refs(loop.value):
        if ref.root == Root.RESULT:
            call = project.links.calls[func.id].get(int(ref.name))
            if call is not None and isinstance(call.callee, Ref) and call.callee.path[-1:] == ("is_set",):
                receiver = receiver_of(call)
                if project.types.types(receiver, func) & {"threading.Event", "multiprocessing.Event", "asyncio.Event"}:
                    return receiver
            continue
        if ref.path:
            stores = _stores(project, ref, func)
        else:
            stores = project.links.bindings.get((func.module.name, ref.name), []) if ref.root == Root.GLOBAL else []
        if any(
            where is not func
            and not where.is_module
            and where.facts.name != "__init__"
            and f"{where.module.name}:{where.facts.cls}" not in items
            and isinstance(access.value, Const)
            for where, access in stores
        ):
            return ref
    return None


def _stores(project: Project, ref: Ref, func: Func) -> list[tuple[Func, Access]]:
    """What is stored in attributes of this name, without those of `self` in classes that have nothing to do with this one."""
    stores = project.links.attributes.get(ref.path[-1], [])
    owner = project.types.owner(func)
    if owner is None or len(ref.path) != 1 or ref.name != project.types.self_name(func):
        return stores
    own, _ = project.types.stores_on_self(ref.path[-1])
    family = project.types.family(owner)
    foreign = {number for cls, numbers in own.items() if cls not in family for number in numbers}
    return [one for number, one in enumerate(stores) if number not in foreign]


def _tests_item(loop: Loop, use: Use) -> bool:
    """Whether the loop compares the item with something, or leaves depending on it: a stop marker may come."""
    item = {use.call.result}
    item |= {
        node.ref
        for node in walk(loop.body)
        if isinstance(node, Access) and node.kind == Kind.WRITE and _mentions(node.value, item)
    }
    for node in walk(loop.body):
        if isinstance(node, Call) and any(_mentions(value, item) for value in node.args):
            item.add(node.result)  # `isinstance(item, Stop)`, or a function that says whether to go on
        if isinstance(node, Match) and _mentions(node.value, item):
            return True
        if (
            isinstance(node, If)
            and _mentions(node.test, item)
            and (any(map(_is_marker, _compares(node.test))) or _leaves(node))
        ):
            return True
    return False


def _leaves(node: If) -> bool:
    return any(isinstance(one, Jump) for one in walk((*node.body, *node.orelse)))


def _mentions(value: Value | None, wanted: set[Ref]) -> bool:
    return any(Ref(ref.root, ref.name, (), ref.owner) in wanted for ref in refs(value))


def _compares(test: Value) -> Iterator[Compare]:
    todo: list[Value] = [test]
    while todo:
        one = todo.pop()
        if isinstance(one, Compare):
            yield one
        todo.extend(getattr(one, "items", ()))


def _is_marker(test: Compare) -> bool:
    return test.op in ("is", "is not", "==", "!=")


def _woken(flag: Ref, func: Func, uses: list[Use]) -> bool:
    """Whether the code that sets the flag, or any that puts a constant, wakes the loop with an item."""
    puts = [use for use in uses if use.method in ("put", "put_nowait")]
    if any(use.call.args and _is_sign(use.call.args[0]) for use in puts):
        return True
    setters = {use.func.id: use for use in puts if use.func is not func}
    last = flag.path[-1] if flag.path else flag.name
    return any(
        _sets(node, last) and (not use.func.is_module or use.call.span > node.span)
        for use in setters.values()
        for node in walk(use.func.facts.body)
    )


def _is_sign(value: Value) -> bool:
    """None, or a constant by its name."""
    return value == Const(None) or (
        isinstance(value, Ref) and value.root != Root.VAR and _last(value).lstrip("_").isupper()
    )


def _sets(node: Node, name: str) -> bool:
    if isinstance(node, Call):
        receiver = receiver_of(node)
        return (
            receiver is not None and node.callee != receiver and _last(node.callee) == "set" and _last(receiver) == name
        )
    return (
        isinstance(node, Access)
        and node.kind == Kind.WRITE
        and _last(node.ref) == name
        and isinstance(node.value, Const)
    )


def _last(value: Value) -> str:
    return (value.name, *value.path)[-1] if isinstance(value, Ref) else ""
