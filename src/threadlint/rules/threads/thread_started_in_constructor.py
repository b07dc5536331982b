"""TL308."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Access, Call, Kind, Ref, Root, Span, Try
from threadlint.findings import Fix, Problem, Related, Severity
from threadlint.project.bodies.lifetimes import receiver_of
from threadlint.project.locks.locks import Step
from threadlint.project.names.things import Cls, Func, FunctionThing
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_DEEP = 4
_BARE = frozenset(
    {
        "builtins.object",
        "threading.Thread",
        "multiprocessing.Process",
        "abc.ABC",
        "typing.Generic",
        "typing.Protocol",
        "builtins.Exception",
    }
)
"""Bases that set no attributes of their own that a subclass would name."""


@rule("TL308", since="0.1", severity=Severity.ERROR)
def thread_started_in_constructor(project: Project) -> Iterator[Problem]:
    """`__init__` starts a thread before it has set an attribute that the thread uses.

    ## Why is this bad?

    The new thread runs at once, while `__init__` goes on. Whether the attribute is there when the thread asks for it is a matter of luck: mostly it is, and now and then the thread ends with
    `AttributeError`, on a loaded machine more often than on the one where it was written.

    ## Example

    ```python
    import queue
    import threading


    class Sender:
        def __init__(self) -> None:
            self.thread = threading.Thread(target=self._loop)
            self.thread.start()  # expect: TL308
            self.queue: queue.Queue[str] = queue.Queue()

        def _loop(self) -> None:
            print("sent", self.queue.get())


    sender = Sender()
    sender.queue.put("hello")
    sender.thread.join()
    ```

    ## Use instead

    ```python
    import queue
    import threading


    class Sender:
        def __init__(self) -> None:
            self.queue: queue.Queue[str] = queue.Queue()
            self.thread = threading.Thread(target=self._loop)
            self.thread.start()

        def _loop(self) -> None:
            print("sent", self.queue.get())


    sender = Sender()
    sender.queue.put("hello")
    sender.thread.join()
    ```

    ## Fix

    Unsafe, since what stands in between may need the thread: the thread is started after the last of these attributes is set.

    ## Known limits

    - Only what the target reads itself or through methods of its own object is followed, and only into attributes that the class body does not set.
    - A target that waits for an event or takes a lock before it reads is taken to wait for the constructor.
    - A subclass whose constructor goes on after a base's constructor has started the thread is judged by what the base's target reads.
    """
    for cls in project.links.classes.values():
        init = project.links.methods.get(cls.id, {}).get("__init__")
        if init is not None:
            yield from _check(project, cls, init)


def _check(project: Project, cls: Cls, init: Func) -> Iterator[Problem]:
    own = project.types.self_name(init)
    steps = project.steps(init)
    for number, span, target in _starts(project, cls, init, steps, 0):
        late = {
            name: first
            for name, first in _written(project, init).items()
            if first > number and not _set_elsewhere(project, cls, name)
        }
        if not late or steps[number].held:
            continue
        read = _read(project, cls, target, set(late), set(), 0)
        found = next(((name, place) for name, place in read if name in late), None)
        if found is not None and own:
            name, (where, at) = found
            site = project.site(init, span)
            yield Problem(
                site,
                f"the thread starts before `{own}.{name}` is set; `{target.func.name}` can find it missing",
                (
                    Related(project.site(init, steps[late[name]].node.span), f"`{own}.{name}` is set here"),
                    Related(project.site(where, at), "the thread uses it here"),
                ),
                fix=Fix(Change.MOVE_AFTER, (site, project.site(init, steps[max(late.values())].node.span))),
            )
            return


def _written(project: Project, init: Func) -> dict[str, int]:
    """The attributes of the instance that `__init__` sets, each with the step that sets it first."""
    found: dict[str, int] = {}
    own = project.types.self_name(init)
    for number, step in enumerate(project.steps(init)):
        node = step.node
        if (
            isinstance(node, Access)
            and node.kind == Kind.WRITE
            and _of_self(node.ref, own, init)
            and len(node.ref.path) == 1
        ):
            found.setdefault(node.ref.path[0], number)
        elif isinstance(node, Call) and _calls_own(node, own, init):
            for thing, _ in project.calls(init, step):
                if isinstance(thing, FunctionThing):
                    for name in _sets(project, thing.func, 0):
                        found.setdefault(name, number)
    return found


def _sets(project: Project, func: Func, depth: int) -> Iterator[str]:
    """The attributes that a method sets on its instance, through its own methods too."""
    own = project.types.self_name(func)
    for step in project.steps(func):
        node = step.node
        if (
            isinstance(node, Access)
            and node.kind == Kind.WRITE
            and _of_self(node.ref, own, func)
            and len(node.ref.path) == 1
        ):
            yield node.ref.path[0]
        elif isinstance(node, Call) and depth < _DEEP and _calls_own(node, own, func):
            for thing, _ in project.calls(func, step):
                if isinstance(thing, FunctionThing) and thing.func is not func:
                    yield from _sets(project, thing.func, depth + 1)


def _starts(
    project: Project, cls: Cls, func: Func, steps: list[Step], depth: int
) -> Iterator[tuple[int, Span, FunctionThing]]:
    """The steps at which a thread on a method of this object is running: step, place, target."""
    own = project.types.self_name(func)
    for spawn in project.spawns_in(func):
        at = steps[spawn.begin].node
        begun = spawn.kind in ("executor", "pool") or (
            isinstance(at, Call) and isinstance(at.callee, Ref) and at.callee.path[-1:] == ("start",)
        )
        receiver = spawn.target.receiver
        if begun and isinstance(receiver, Ref) and _of_self(receiver, own, func) and not receiver.path:
            yield spawn.begin, at.span, spawn.target
    for number, step in enumerate(steps):
        node = step.node
        if not isinstance(node, Call) or not isinstance(node.callee, Ref):
            continue
        if node.callee.path == ("start",) and _of_self(node.callee, own, func) and project.thread_classes.base(cls):
            run = project.types.method(cls, "run")
            if run is not None and project.types.method(cls, "start") is None:
                yield number, node.span, FunctionThing(run)
        elif depth < _DEEP and (
            _calls_own(node, own, func) or (node.callee.root == Root.SUPER and node.callee.path == ("__init__",))
        ):
            for thing, _ in project.calls(func, step):
                if isinstance(thing, FunctionThing) and thing.func is not func:
                    for _, _, target in _starts(project, cls, thing.func, project.steps(thing.func), depth + 1):
                        yield number, node.span, target


def _read(
    project: Project, cls: Cls, target: FunctionThing, wanted: set[str], seen: set[str], depth: int
) -> Iterator[tuple[str, tuple[Func, Span]]]:
    """Which of the attributes the target reads, and where, before it waits for anybody."""
    func = target.func
    if func.id in seen or depth > _DEEP:
        return
    seen.add(func.id)
    own = project.types.self_name(func)
    for step in project.steps(func):
        node = step.node
        if step.held or _waits(node):
            return
        if any(isinstance(outer, Try) and part == "body" and _expects(outer) for outer, part in step.context):
            continue
        if isinstance(node, Access) and _of_self(node.ref, own, func) and node.ref.path:
            if node.kind in (Kind.READ, Kind.UPDATE) or len(node.ref.path) > 1:
                if node.ref.path[0] in wanted:
                    yield node.ref.path[0], (func, node.span)
            else:
                wanted = wanted - {node.ref.path[0]}  # it is set here
        elif isinstance(node, Call) and isinstance(node.callee, Ref) and _of_self(node.callee, own, func):
            if node.callee.path[:1] and node.callee.path[0] in wanted:
                yield node.callee.path[0], (func, node.span)
            if len(node.callee.path) == 1:
                method = project.types.method(cls, node.callee.path[0])
                if method is not None:
                    yield from _read(project, cls, FunctionThing(method), wanted, seen, depth + 1)


def _waits(node: object) -> bool:
    """Whether the thread stops here until somebody lets it go on."""
    if not isinstance(node, Call) or not isinstance(node.callee, Ref):
        return False
    return node.callee.path[-1:] in (("wait",), ("acquire",), ("sleep",), ("join",)) or node.callee.name == "time.sleep"


def _expects(node: Try) -> bool:
    return any(
        not handler.types
        or any(isinstance(one, Ref) and one.name in ("AttributeError", "Exception") for one in handler.types)
        for handler in node.handlers
    )


def _set_elsewhere(project: Project, cls: Cls, name: str) -> bool:
    """Whether the class body, or a base's constructor, gives the attribute a value of its own."""
    for base in project.types.mro(cls):
        if not isinstance(base, Cls):
            if base not in _BARE:
                return True  # a base that is not known may set anything
            continue
        if any(True for _ in _class_body(project, base, name)):
            return True
        if base is not cls:
            init = project.links.methods.get(base.id, {}).get("__init__")
            if init is not None and name in _sets(project, init, 0):
                return True
    return False


def _class_body(project: Project, cls: Cls, name: str) -> Iterator[Access]:
    for func, access in project.links.attributes.get(name, ()):
        if (
            func.module is cls.module
            and not project.types.self_name(func)
            and ".".join((access.ref.name, *access.ref.path[:-1])).endswith(cls.facts.name)
        ):
            yield access


def _of_self(ref: Ref, own: str, func: Func) -> bool:
    return bool(own) and ref.root == Root.VAR and ref.name == own and ref.owner == func.facts.qualname


def _calls_own(node: Call, own: str, func: Func) -> bool:
    receiver = receiver_of(node)
    return receiver is not None and not receiver.path and _of_self(receiver, own, func)
