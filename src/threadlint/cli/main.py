"""The `threadlint` command: a group that loads a command when it is called, and that lints where none is named."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

import click

from threadlint import __version__

DEFAULT = "check"
COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "check": ("threadlint.cli.check:check", "Report thread-safety mistakes (what `threadlint PATH...` does)."),
        "confirm": ("threadlint.cli.confirm:confirm", "Run a program and show that what is flagged happens."),
        "graph": ("threadlint.cli.graph:graph", "Print in which order a program takes its locks."),
        "explain": ("threadlint.cli.explain:explain", "Print the page of a rule."),
        "rules": ("threadlint.cli.rules:rules", "List all rules."),
        "cache": ("threadlint.cli.cache:cache", "Show or remove what is kept between runs."),
        "dev": ("threadlint.cli.dev:dev", "For work on threadlint itself."),
    }
)
"""Each command: where it is defined, and its line in `threadlint --help`, which thus imports none of them."""
HIDDEN = frozenset({"dev"})
CANNOT = 2
INTERRUPTED = 130
REPORT_AT = "https://github.com/threadlint/threadlint/issues"


class LazyGroup(click.Group):
    """A click group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 click's signature
        """The commands that the help shows."""
        return [name for name in COMMANDS if name not in HIDDEN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 click's signature
        """The command `cmd_name`, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        return cast("click.Command", getattr(importlib.import_module(module), attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `check` before arguments that begin with no command."""
        if not args or (args[0] not in COMMANDS and args[0] not in {"--help", "-h", "--version"}):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    options_metavar="[OPTIONS]",
    subcommand_metavar="[COMMAND] [PATH]...",
    epilog="`threadlint check --help` lists the options for linting. Exit code: 0 nothing found, 1 findings, "
    "2 something could not be done.",
)
@click.version_option(__version__, message="threadlint %(version)s")
def threadlint() -> None:
    """Find thread-safety mistakes in Python programs, and show them happening.

    Without a command, PATH... are linted; without a PATH, the current folder.
    """


def main() -> None:
    """Run the command line; ends the process with its exit code.

    An interruption exits with 130, as a shell would have it, so that it is not taken for findings. A mistake of our own
    exits with 2 and one line, or with its traceback when THREADLINT_DEBUG is set.
    """
    # Facts and answers about them live to the end and hold no cycles worth looking for: a sixth of the time.
    gc.disable()
    for stream in (sys.stdout, sys.stderr):
        # A name or a source line that the terminal's encoding lacks must not end the run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        sys.exit(threadlint.main(prog_name="threadlint", standalone_mode=False))
    except click.Abort:
        click.echo("threadlint: interrupted", err=True)
        sys.stdout.flush()
        # Not sys.exit: the library would wait for what it has not yet sent to processes that are no more (CPython issue 94777).
        os._exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Exception as error:
        if os.environ.get("THREADLINT_DEBUG"):
            raise
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        click.echo(f"threadlint: error: internal error: {reason}; please report it at {REPORT_AT}", err=True)
        sys.exit(CANNOT)
    finally:
        # The memory goes with the process: nobody need look through it once more, which the interpreter would.
        gc.freeze()
