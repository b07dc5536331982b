"""One file for each kind of change, or for a few that are made alike: from the places of a fix to edits of the tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from threadlint.changes import Change
from threadlint.findings import Fix
from threadlint.fixes.kinds import (
    arguments,
    clocks,
    contexts,
    coroutines,
    draining,
    expressions,
    finishing,
    futures,
    handover,
    holding,
    inserting,
    moving,
    one_step,
    waiting,
    with_items,
    with_lock,
)
from threadlint.fixes.tree import Edits, Tree

Kind = Callable[[Tree, Fix], Edits]


@cache
def kinds() -> Mapping[Change, Kind]:
    """How each kind of change is made."""
    files = (
        arguments,
        clocks,
        contexts,
        coroutines,
        draining,
        expressions,
        finishing,
        futures,
        handover,
        holding,
        inserting,
        moving,
        one_step,
        waiting,
        with_items,
        with_lock,
    )
    return {change: make for file in files for change, make in file.kinds().items()}
