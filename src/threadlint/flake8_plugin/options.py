"""What flake8's options say: which rules to run, whether any of them can be reported, and what flake8 is going to do."""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadlint.config import Config

PREFIX = "TL"
STDIN = "-"


def named(options: argparse.Namespace) -> list[str]:
    """What flake8 was told to check."""
    return list(getattr(options, "filenames", None) or ())


def stdin_name(options: argparse.Namespace) -> str:
    """The name of standard input."""
    return getattr(options, "stdin_display_name", None) or "stdin"


def jobs(options: argparse.Namespace) -> int:
    """How many processes flake8 is to use."""
    given: Any = getattr(options, "jobs", None)
    if given is None:
        return 1
    return (os.cpu_count() or 1) if given.is_auto else max(given.n_jobs, 1)


def starts_processes(options: argparse.Namespace) -> bool:
    """Whether flake8 is about to check files in several processes, as far as can be told when it has parsed its options.

    Where nothing is named it may be that flake8 is called from Python, and files are named later.
    """
    filenames = named(options)
    return (
        jobs(options) > 1
        and STDIN not in filenames
        and (bool(filenames) or _is_flake8(sys.argv[0]))
        and not getattr(options, "bug_report", False)
        and multiprocessing.parent_process() is None
        and can_report(options)
    )


def _is_flake8(program: str) -> bool:
    folder, name = os.path.split(program)
    stem = os.path.splitext(name)[0]  # noqa: PTH122 this is asked each time that flake8 starts
    return stem.startswith("flake8") or (stem == "__main__" and os.path.basename(folder) == "flake8")  # noqa: PTH119 as above


def can_report(options: argparse.Namespace) -> bool:
    """Whether flake8 reports any of our codes.

    What it does with a code depends on the longest prefix of it in its lists, so those in the lists stand for all codes.
    """
    lists = ("select", "extend_select", "ignore", "extend_ignore", "extended_default_select", "extended_default_ignore")
    listed = {code for name in lists for code in getattr(options, name, None) or ()}
    try:
        guide: Any = importlib.import_module("flake8.style_guide")
        engine = guide.DecisionEngine(options)
        codes = {PREFIX, *(code for code in listed if code.startswith(PREFIX))}
        return any(engine.decision_for(code) is guide.Decision.Selected for code in codes)
    except (ImportError, AttributeError):  # no part of flake8's interface, or called without flake8
        return True


def with_flake8(config: Config, options: argparse.Namespace) -> Config:
    """`config` with the rules that flake8's options name, among them rules that are off by default.

    `TL` alone only says that the plugin is wanted, as other plugins with rules that are off by default have it.
    """
    named: list[str] = []
    for option in ("select", "extend_select", "enable_extensions"):
        given: Iterable[str] | None = getattr(options, option, None)
        named += [code for code in given or () if code.startswith(PREFIX) and code != PREFIX]
    return replace(config, extend_select=config.extend_select + tuple(named)) if named else config


def files(options: argparse.Namespace) -> list[str]:
    """The files that flake8 is going to check, by the names that it gives them; without standard input."""
    try:
        discover: Any = importlib.import_module("flake8.discover_files")
        found: Iterable[str] = discover.expand_paths(
            paths=options.filenames,
            stdin_display_name=options.stdin_display_name,
            filename_patterns=options.filename,
            exclude=(*options.exclude, *options.extend_exclude),
        )
        return [name for name in found if name != STDIN]
    except (ImportError, AttributeError, TypeError):
        # No part of flake8's interface, or called without flake8: each file is then linted when it is asked for.
        return []
