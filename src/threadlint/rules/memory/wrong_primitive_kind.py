"""TL607."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Call, Const, Many, Ref, Value
from threadlint.findings import Oracle, Problem, Related, Severity
from threadlint.knowledge.primitives import CONTEXT, INTERPRETER, PRIMITIVES, Primitive
from threadlint.knowledge.stdlib import EXECUTORS, NO_FORK_BY_DEFAULT, POOLS
from threadlint.project.locks.locks import text
from threadlint.project.names.callables import HANDING, handed_over
from threadlint.project.names.things import Cls, External, Func, FunctionThing, Object
from threadlint.project.project import Project
from threadlint.project.roots.processes import Handover, handovers
from threadlint.rules.rule import rule

_INHERITED = frozenset({"lock", "rlock", "condition", "semaphore", "event", "barrier", "queue", "value", "array"})
"""Primitives of multiprocessing that a process may get when it is started, and not later (`RuntimeError: ... through inheritance`)."""

_MEANT = frozenset(
    {
        "lock",
        "rlock",
        "condition",
        "semaphore",
        "event",
        "barrier",
        "queue",
        "thread",
        "executor",
        "pool",
        "local",
        "future",
    }
)
_PROCESS_POOLS = frozenset(name for name, world in {**EXECUTORS, **POOLS}.items() if world == "processes")
_START_METHODS = frozenset({"fork", "spawn", "forkserver"})
_COPIED = ("__getstate__", "__reduce__", "__reduce_ex__", "__copy__")
_FILES = frozenset({"open()", "sqlite3.Connection", "sqlite3.connect()"})
_CONTAINERS = frozenset({"list", "dict", "set", "deque"})
_BETWEEN = {"threads": "threads of one process", "tasks": "tasks of one event loop"}


@rule("TL607", since="0.1", severity=Severity.ERROR, oracle=Oracle.UNSENDABLE)
def wrong_primitive_kind(project: Project) -> Iterator[Problem]:
    """A lock, queue or callable is handed to another process, where it does not work.

    ## Why is this bad?

    `threading.Lock`, `queue.Queue` and their like live in the memory of one process. A process that is forked gets a copy, which locks nobody out and whose items nobody
    else sees; with `spawn` or `forkserver` the object cannot be sent at all. Jobs for a pool of processes are always sent: they cannot contain a `multiprocessing.Lock` or
    `Queue` either, nor can the function be a lambda or an inner function. Interpreters share even less: `prepare_main()` takes no list, dict or set either.

    ## Example

    ```python
    import multiprocessing
    import queue


    def work(results) -> None:
        results.put("done")


    if __name__ == "__main__":
        results = queue.Queue()
        worker = multiprocessing.Process(target=work, args=(results,))  # expect: TL607
        worker.start()
        worker.join()
        print(results.qsize(), "results")
    ```

    Where processes are forked it prints `0 results`; elsewhere it ends with `TypeError: cannot pickle '_thread.lock' object`.

    ## Use instead

    ```python
    import multiprocessing


    def work(results) -> None:
        results.put("done")


    if __name__ == "__main__":
        results = multiprocessing.Queue()
        worker = multiprocessing.Process(target=work, args=(results,))
        worker.start()
        print(results.get())
        worker.join()
    ```

    For jobs of a pool, use the queue of a manager (`multiprocessing.Manager().Queue()`), or give a `multiprocessing.Lock` to the pool's `initializer`.

    ## Known limits

    - Objects inside lists and attributes of other objects are not looked at, except locks that the object's own class makes.
    - Lambdas and inner functions as targets of `Process` are reported only where the program asks for `spawn` or `forkserver`, or where it neither chooses nor
      runs on anything older than Python 3.14.
    - An executor that may be one of threads, as far as the program shows, is taken to be one.
    """
    for func in project.callers_of([*HANDING, *_PROCESS_POOLS]):
        for one in handovers(project.links, project.types, func):
            if _only_processes(project, one):
                yield from _function(project, one)
                # the arguments of `map()` hold what is sent, one by one
                for value in (*one.bound, *(() if one.repeats else one.args)):
                    yield from _argument(project, one, value)
        for call in project.links.calls[func.id].values():
            given = call.keyword("initargs")
            if isinstance(given, Many) and _makes_pool(project, func, call):
                for value in given.items:
                    yield from _started_with(project, func, call, value, "the pool's processes")
    for func in project.mentions.callers(["prepare_main"]):
        for call in project.links.calls[func.id].values():
            if _prepares(project, func, call):
                for _, value in call.keywords:
                    yield from _shared(project, func, call, value)


def _only_processes(project: Project, one: Handover) -> bool:
    """Whether nothing says that the pool may be one of threads."""
    worlds = set()
    for name, _ in handed_over(project.types, one.call, one.func):
        primitive = PRIMITIVES.get(name) or PRIMITIVES.get(name.rpartition(".")[0])
        worlds.add(primitive.world if primitive is not None else "")
    return worlds <= {one.world, "tasks"}


def _makes_pool(project: Project, func: Func, call: Call) -> bool:
    things = project.types.of(call.callee, func)
    return bool(things) and all(isinstance(one, External) and one.name in _PROCESS_POOLS for one in things)


def _primitive(project: Project, value: Value, func: Func) -> tuple[Object, Primitive] | None:
    """The library's primitive that the value certainly is."""
    things = project.types.of(value, func)
    found = None
    for thing in things:
        if not isinstance(thing, Object) or not isinstance(thing.type, str) or thing.type not in PRIMITIVES:
            return None
        found = (thing, PRIMITIVES[thing.type])
    return found


def _argument(project: Project, one: Handover, value: Value) -> Iterator[Problem]:
    if one.kind == "process":
        yield from _started_with(project, one.func, one.call, value, "the process")
        return
    found = _primitive(project, value, one.func)
    who = "another interpreter" if one.world == "interpreters" else "another process"
    if found is not None:
        made, primitive = found
        if primitive.proxy or (primitive.world == "interpreters" and one.world == "interpreters"):
            return
        if primitive.world == "processes" and one.world == "processes" and primitive.kind in _INHERITED:
            if _own_start_method(project):
                return
            outcome = (
                "can only be given to a process when it starts; the job fails with `RuntimeError`"
                " (use a manager's, or `initializer`)"
            )
        elif primitive.world in _BETWEEN and primitive.kind in _MEANT:
            outcome = f"works between {_BETWEEN[primitive.world]} only and cannot be sent to {who}; the job fails"
        else:
            return
        yield _problem(project, one.func, one.call, f"`{text(value)}` is {_a(str(made.type))}, which {outcome}", made)
        return
    kind = project.identity.of(value, one.func)
    if kind in _FILES:
        yield _problem(
            project, one.func, one.call, f"`{text(value)}` (`{kind}`) cannot be sent to {who}; the job fails"
        )
        return
    for thing in project.types.of(value, one.func):
        if isinstance(thing, Object) and thing.type == "generator":
            message = f"`{text(value)}` is a generator, which cannot be sent to {who}; the job fails"
            yield _problem(project, one.func, one.call, message)
        elif isinstance(thing, Object) and isinstance(thing.type, Cls):
            yield from _owner(project, one, thing.type, f"`{text(value)}`")


def _prepares(project: Project, func: Func, call: Call) -> bool:
    things = project.types.of(call.callee, func)
    return any(isinstance(one, External) and one.name == f"{INTERPRETER}.prepare_main" for one in things)


def _shared(project: Project, func: Func, call: Call, value: Value) -> Iterator[Problem]:
    """What `prepare_main()` is given: nothing that changes, other than a `memoryview` or a queue of interpreters. CPython 3.14 copies no other, unlike for `call()`."""
    refused = "`prepare_main()` refuses it with `NotShareableError`"
    found = _primitive(project, value, func)
    if found is not None:
        if found[1].world in _BETWEEN and found[1].kind in _MEANT:
            works = f"works between {_BETWEEN[found[1].world]} only"
            message = f"`{text(value)}` is {_a(str(found[0].type))}, which {works}; {refused}"
            yield _problem(project, func, call, message, found[0])
        return
    kind = value.kind if isinstance(value, Many) else project.uses.kind(value, func) if isinstance(value, Ref) else ""
    if kind in _CONTAINERS:
        what = f"`{text(value)}` is a {kind}" if isinstance(value, Ref) else f"this is a {kind}"
        yield _problem(project, func, call, f"{what}, which interpreters do not share; {refused}")


def _started_with(project: Project, func: Func, call: Call, value: Value, who: str) -> Iterator[Problem]:
    """What a process gets when it starts: inherited where it is forked, pickled elsewhere."""
    found = _primitive(project, value, func)
    if found is None or found[1].world not in _BETWEEN or found[1].kind not in _MEANT:
        return
    thing, primitive = found
    outcome = {"fork": "gets a copy of its own", "spawn": "cannot be started with it"}.get(
        _start_method(project, func, call), "gets a copy of its own (`fork`) or cannot be started with it (`spawn`)"
    )
    works = f"works between {_BETWEEN[primitive.world]} only"
    yield _problem(
        project, func, call, f"`{text(value)}` is {_a(str(thing.type))}, which {works}; {who} {outcome}", thing
    )


def _start_method(project: Project, func: Func, call: Call) -> str:
    """`fork` or `spawn` (which stands for `forkserver` too) where the context of the call says so, or nothing does and the versions of Python agree; else empty."""
    callee = call.callee
    for thing in project.types.of(callee.receiver, func) if isinstance(callee, Ref) and callee.path else ():
        if isinstance(thing, Object) and thing.type == CONTEXT:
            method = thing.call.argument(0, "method") if thing.call is not None else None
            if isinstance(method, Const) and isinstance(method.value, str):
                return "fork" if method.value == "fork" else "spawn"
            return ""
    chosen = any(project.mentions.calls(["set_start_method", "get_context"]))
    return "spawn" if not chosen and (project.config.target_version or (3, 0)) >= NO_FORK_BY_DEFAULT else ""


def _own_start_method(project: Project) -> bool:
    """Whether the program starts processes in the way of another library, which brings its own queues and locks: `set_start_method("dragon")`."""
    asked = (call.argument(0, "method") for _, call in project.mentions.calls(["set_start_method"]))
    return any(
        isinstance(one, Const) and isinstance(one.value, str) and one.value not in _START_METHODS for one in asked
    )


def _function(project: Project, one: Handover) -> Iterator[Problem]:
    """The callable itself: what pickle cannot name."""
    things = project.types.of(one.target, one.func)
    if len(things) != 1 or not isinstance(things[0], FunctionThing) or one.world == "interpreters":
        return
    thing = things[0]
    if one.kind == "process" and _start_method(project, one.func, one.call) != "spawn":
        return
    facts = thing.func.facts
    sent = "the process cannot be started with it" if one.kind == "process" else "the job fails"
    if facts.name.startswith("<lambda>"):
        yield _problem(project, one.func, one.call, f"a lambda cannot be sent to another process; {sent}")
    elif facts.owner and not facts.cls:
        message = f"`{facts.name}` is defined inside `{one.func.name}` and cannot be sent to another process; {sent}"
        yield _problem(project, one.func, one.call, message)
    elif facts.cls and thing.receiver is not None:
        cls = project.types.owner(thing.func)
        if cls is not None and project.types.self_name(thing.func):
            yield from _owner(project, one, cls, f"`{text(thing.receiver)}`")


def _owner(project: Project, one: Handover, cls: Cls, what: str) -> Iterator[Problem]:
    """An object that is pickled with the locks that it owns."""
    locks = sorted(project.identity.locks(cls))
    if not locks or any(project.types.method(cls, name) is not None for name in _COPIED):
        return
    if any(isinstance(base, str) and base != "builtins.object" for base in project.types.mro(cls)):
        return  # a base that is not known here may say how it is pickled
    message = f"{what} cannot be sent to another process, because it owns a lock between threads (`{locks[0]}`); the job fails"
    yield _problem(project, one.func, one.call, message)


def _a(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} `{name}`"


def _problem(project: Project, func: Func, call: Call, message: str, made: Object | None = None) -> Problem:
    related: tuple[Related, ...] = ()
    if made is not None and made.call is not None and made.frame is not None:
        related = (Related(project.site(made.frame, made.call.span), "it is made here"),)
    return Problem(project.site(func, call.span), message, related)
