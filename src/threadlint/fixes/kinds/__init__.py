"""One file for each kind of change, or for a few that are made alike: from the places of a fix to edits of the tree."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache

from threadlint.changes import Change
from threadlint.findings import Fix
from threadlint.fixes.tree import Edits, Tree

Kind = Callable[[Tree, Fix], Edits]


@cache
def kinds() -> Mapping[Change, Kind]:
    """How each kind of change is made; found by looking into the files beside this one."""
    files = (importlib.import_module(module.name) for module in pkgutil.iter_modules(__path__, f"{__name__}."))
    return {change: make for file in files for change, make in file.kinds().items()}
