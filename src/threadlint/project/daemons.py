"""Which threads the program does not wait for at its end, and which are joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from threadlint.facts.model import Access, Const, Ref
from threadlint.project.bodies.lifetimes import receiver_of
from threadlint.project.names.things import Cls, Func, Object
from threadlint.project.roots.thread_roots import Spawn

if TYPE_CHECKING:
    from threadlint.project.project import Project


def ends_with_program(project: Project, spawn: Spawn) -> bool:
    """Whether the spawn's thread is, or may be, a daemon: said so when it is made or before it is started, or inherited from a daemon.

    Workers of executors are joined when the interpreter ends, so they are none.
    """
    if spawn.kind in ("executor", "pool"):
        return spawn.kind == "pool"
    if spawn.kind not in ("thread", "timer", "class"):
        return True
    given = spawn.call.keyword("daemon")
    if given is None and not spawn.call.starred:
        given = spawn.call.argument(6) if spawn.kind == "thread" else None
    if given is not None and given not in (Const(value=False), Const(None)):
        return True
    return _set_later(project, spawn) or _class_says(project, spawn) or _inherits(project, spawn)


def _set_later(project: Project, spawn: Spawn) -> bool:
    """`t.daemon = True`, `t.setDaemon(True)`."""
    for func, access in project.links.attributes.get("daemon", ()):
        if access.value not in (Const(value=False), Const(None)) and _is_made_by(
            project, access.ref.receiver, func, spawn
        ):
            return True
    return any(
        isinstance(call.callee, Ref)
        and call.callee.path[-1:] == ("setDaemon",)
        and call.args != (Const(value=False),)
        and _is_made_by(project, receiver_of(call), func, spawn)
        for func in project.links.functions_of(spawn.func.module)
        for call in project.links.calls[func.id].values()
    )


def _class_says(project: Project, spawn: Spawn) -> bool:
    """A thread class that makes itself a daemon: in its constructor's call of the base, by assignment, or in the class body."""
    cls = project.types.owner(spawn.target.func) if spawn.kind == "class" else None
    if cls is None:
        return False
    family = [cls, *(base for base in project.types.mro(cls) if isinstance(base, Cls)), *project.types.subclasses(cls)]
    for one in family:
        for method in project.links.methods.get(one.id, {}).values():
            for call in project.links.calls[method.id].values():
                given = call.keyword("daemon")
                if given is not None and given not in (Const(value=False), Const(None)):
                    return True
                if (
                    call.keyword("**") is not None
                    and isinstance(call.callee, Ref)
                    and call.callee.path[-1:] == ("__init__",)
                ):
                    return True
                if isinstance(call.callee, Ref) and call.callee.path[-1:] == ("setDaemon",):
                    return True
    return any(
        (owner := project.types.owner(func)) is not None and owner in family
        for func, access in project.links.attributes.get("daemon", ())
        if access.value != Const(value=False)
    ) or any(
        _in_body(func, access, one) for func, access in project.links.attributes.get("daemon", ()) for one in family
    )


def _in_body(func: Func, access: Access, cls: Cls) -> bool:
    return func.module is cls.module and access.ref.name == cls.facts.name


def _inherits(project: Project, spawn: Spawn) -> bool:
    """A thread takes over from the one that starts it whether it is a daemon."""
    return any(
        other is not spawn
        and other.target.func is spawn.func
        and other.kind in ("thread", "timer")
        and other.call.keyword("daemon") == Const(value=True)
        for other in project.spawns
    )


def joined(project: Project, spawn: Spawn) -> bool:
    """Whether somebody waits, without a timeout, for the thread to end."""
    return any(
        isinstance(call.callee, Ref)
        and call.callee.path[-1:] == ("join",)
        and not call.args
        and not call.keywords
        and _is_made_by(project, receiver_of(call), func, spawn)
        for func in project.links.functions_of(spawn.func.module)
        for call in project.links.calls[func.id].values()
    )


def _is_made_by(project: Project, value: Ref | None, func: Func, spawn: Spawn) -> bool:
    if value is None:
        return False
    return any(
        isinstance(thing, Object)
        and (
            (thing.call is spawn.call and thing.frame is spawn.func)
            or (spawn.kind == "class" and thing.call is None and thing.type is project.types.owner(spawn.target.func))
        )
        for thing in project.types.of(value, func)
    )
