"""Starts the engine in every Python process of a tried command, then lets the program's own sitecustomize run."""

from __future__ import annotations

import importlib
import os
import sys


def begin() -> None:
    """Start the engine if this process belongs to a run."""
    here = os.path.dirname(os.path.abspath(__file__))
    parent = os.path.dirname(here)
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    sys.path.insert(0, parent)
    try:
        files = importlib.import_module("threadlint_engine.job").flagged_files()
        if files:
            rerun_script(files, os.path.join(parent, "launch.py"))
            importlib.import_module("threadlint_engine.start").start_here()
    finally:
        sys.path.remove(parent)


def rerun_script(files: frozenset[str], launcher: str) -> None:
    """A flagged file that is itself the script comes past no import hook: start again, through the launcher."""
    words = getattr(sys, "orig_argv", [])
    script = sys.argv[0] if sys.argv else ""
    if not script or script in {"-c", "-m"} or not os.path.isfile(script) or os.path.realpath(script) not in files:
        return
    for index, word in enumerate(words[1:], start=1):
        if word == script:
            os.execv(sys.executable, [sys.executable, *words[1:index], launcher, *words[index:]])  # noqa: S606  # there is nothing for a shell to do


def chain() -> None:
    """Run the sitecustomize that this one hides, if there is one."""
    del sys.modules["sitecustomize"]
    try:
        importlib.import_module("sitecustomize")
    except ImportError:
        sys.modules["sitecustomize"] = sys.modules[__name__] if __name__ in sys.modules else type(sys)("sitecustomize")


begin()
chain()
