"""Why nobody could come while a thread paused: what it holds, and who waits for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .pauses import Pause
    from .registry import Registry, ThreadState


def why_blocked(pause: Pause, registry: Registry) -> str:
    """Why nobody else can run: `guarded` by what the pausing thread holds, `blocked` by something else, or `alone`."""
    others = registry.others(pause.state)
    if not others:
        return "alone"
    mine = [held.what for held in pause.state.held]
    for other in others:
        wanted = wanted_by(other)
        if any(wanted is one for one in mine):
            return "guarded"
    return "blocked"


def guard_of(pause: Pause, registry: Registry) -> dict[str, Any] | None:
    """What the others wait for that the pausing thread has, else what the text around the statement says."""
    mine = pause.state.held.copy()
    for held in reversed(mine):
        if any(wanted_by(other) is held.what for other in registry.others(pause.state)):
            path, line = held.place
            return {
                "path": path,
                "line": line,
                "kind": type(held.what).__name__,
                "waiting": waiting_for(held.what, registry),
            }
    if pause.end == "idle" and pause.split.withs:
        # A lock made by `_thread.allocate_lock` tells nobody who waits; the text says which one it may be.
        return {"path": pause.split.path, "line": pause.split.withs[-1], "kind": "raw", "waiting": 0}
    return None


def wanted_by(state: ThreadState) -> object:
    """The lock or semaphore that a thread waits for, None if it waits for something else."""
    wait, label = state.wait, state.label
    if wait is None:
        return None
    if wait.kind == "lock":
        return wait.what
    return label[1] if label is not None and label[0] == "Semaphore.acquire" else None


def waiting_for(what: object, registry: Registry) -> int:
    """How many threads wait for it."""
    return sum(1 for state in registry.others(None) if wanted_by(state) is what)
