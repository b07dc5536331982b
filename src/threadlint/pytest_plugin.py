"""The pytest plugin: `pytest --threadlint-confirm` tries what the linter finds by running the suite under the engine.

The suite itself runs first, as always. Then the project is linted, and for each finding that a run can show, the same tests run again
in a process of their own, under the engine; the terminal summary says what was seen.
"""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

OPTION = "--threadlint-confirm"
PATHS = "--threadlint-path"
SECONDS = "--threadlint-timeout"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the plugin."""
    group = parser.getgroup("threadlint")
    group.addoption(
        OPTION,
        action="store_true",
        help="lint the project, and run the tests once more for each finding to see it happen",
    )
    group.addoption(PATHS, action="append", metavar="PATH", help="what to lint; the root folder of the run by default")
    group.addoption(
        SECONDS, type=float, default=120.0, metavar="S", help="seconds for each of these runs (default: 120)"
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Lint, try, and report."""
    if not config.getoption(OPTION) or hasattr(config, "workerinput"):
        return
    from threadlint.config import ConfigError, discover  # noqa: PLC0415 other runs of pytest must not pay for it
    from threadlint.engine import lint  # noqa: PLC0415
    from threadlint.proving import verdicts_of  # noqa: PLC0415
    from threadlint.runtime.text import render  # noqa: PLC0415
    from threadlint.runtime.trial import Options  # noqa: PLC0415

    say = terminalreporter.write_line
    terminalreporter.write_sep("=", "threadlint")
    try:
        report = lint(config.getoption(PATHS) or [str(config.rootpath)], discover(config.rootpath))
    except ConfigError as error:
        say(f"{error.path}: error: {error.message}")
        return
    for failed in report.failures:
        say(f"{failed.path}:{failed.line}: error: {failed.message}")
    options = Options(
        python=sys.executable, timeout=config.getoption(SECONDS), runs=1, directory=config.invocation_params.dir
    )
    tried = confirmed = 0
    for _, verdict in verdicts_of(report, options, command=_same_tests(config)):
        tried += 1
        confirmed += verdict.tier.is_confirmed
        for line in render(verdict):
            say(line)
    say(f"{len(report.findings)} findings, {tried} tried, {confirmed} confirmed")


def _same_tests(config: pytest.Config) -> str:
    """The command that runs these tests again: without this option, and in one process."""
    args = [str(arg) for arg in config.invocation_params.args]
    kept = [arg for arg in args if not arg.startswith((OPTION, PATHS, SECONDS))]
    extra = ["-p", "no:cacheprovider"]
    if config.pluginmanager.hasplugin("xdist"):
        extra += ["-p", "no:xdist"]
        kept = _without_workers(kept)
    return shlex.join([sys.executable, "-m", "pytest", *extra, *kept])


def _without_workers(args: list[str]) -> list[str]:
    """Without `-n 4`, `-n4`, `--numprocesses=4` and `--dist`, which only xdist knows."""
    kept: list[str] = []
    skip = False
    for arg in args:
        if skip:
            skip = False
        elif arg in {"-n", "--numprocesses", "--dist"}:
            skip = True
        elif not arg.startswith(("-n", "--numprocesses=", "--dist=")):
            kept.append(arg)
    return kept
