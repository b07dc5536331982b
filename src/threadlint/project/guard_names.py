"""How a function can name the lock that guards a location elsewhere, and the fix that holds it there."""

from __future__ import annotations

from threadlint.changes import Change
from threadlint.facts.model import Ref, Root, Span, Value
from threadlint.findings import Fix
from threadlint.project.locks.locks import text
from threadlint.project.names.things import Func
from threadlint.project.project import Project
from threadlint.project.races.guards import default_binding


def hold(project: Project, ref: Ref, func: Func, *spans: Span) -> Fix | None:
    """The fix that holds the guard of the location `ref` from the first to the last of the places; None where it has none that can be named here."""
    location = project.sharing.location(ref, func, default_binding(func, project.types))
    lock = _guard_name(project, location.key, func) if location is not None else ""
    return Fix(Change.HOLD, tuple(project.site(func, span) for span in spans), text=lock) if lock else None


def _guard_name(project: Project, key: str, func: Func) -> str:
    guard = project.guards.get(key)
    for one in guard.inside if guard is not None else ():
        for held in project.steps(one.use.func)[one.use.step].held:
            if guard is not None and held.lock.key == guard.lock:
                named = _seen_from(project, held.value, held.func, func)
                lock = project.locks.of(named, func) if named is not None else None
                if named is not None and lock is not None and lock.key == guard.lock:
                    return text(named)
    return ""


def _seen_from(project: Project, value: Value, where: Func, func: Func) -> Ref | None:
    """The name as it is in another function: of the module, or of the object whose methods the two functions are."""
    if not isinstance(value, Ref) or where.module is not func.module or any(step[0] == "[" for step in value.path):
        return None
    if value.root in (Root.GLOBAL, Root.CLASS):
        return value
    own, there = project.types.self_name(func), project.types.self_name(where)
    if value.root == Root.VAR and own and value.name == there and value.owner == where.facts.qualname:
        return Ref(Root.VAR, own, value.path, func.facts.qualname)
    return None
