"""`threadlint graph`: print in which order locks are taken."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from threadlint.cli.options import CANNOT, Color, colorful, read_config
from threadlint.cli.progress import progress

FORMATS = ("text", "dot", "mermaid")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--locks", "what", flag_value="locks", default=True, help="In which order locks are taken (the default).")
@click.option(
    "--format", "kind", type=click.Choice(FORMATS), default="text", show_default=True, help="How to write it."
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read [tool.threadlint] from this file instead of the nearest pyproject.toml that has one.",
)
@click.option(
    "--color",
    type=click.Choice([when.value for when in Color]),
    default="auto",
    show_default=True,
    help="Colours in text; auto obeys NO_COLOR and FORCE_COLOR.",
)
def graph(*, paths: tuple[str, ...], what: str, kind: str, config_file: Path | None, color: str) -> None:
    """Print the lock-order graph of a program.

    An arrow from one lock to another says that the second is taken while the first is held. A cycle of arrows is a
    deadlock waiting for its moment, unless its parts never run in parallel or all run under one more lock. PATH is
    a file or folder; without one, the current folder. The exit code is 0 whether there are cycles or not: `threadlint check` reports them, as TL206.
    """
    from threadlint.engine import linked
    from threadlint.facts.source import on_deep_stack
    from threadlint.report.lock_graph import GraphFormat, render
    from threadlint.report.text import failure

    assert what == "locks"
    paths = paths or (".",)
    with progress() as tell:
        project, failures, files = linked(paths, read_config(paths, config_file), progress=tell)
    for failed in failures:
        click.echo(failure(failed), err=True)
    if project is not None:
        coloured = colorful(Color(color), terminal=sys.stdout.isatty())
        # Who holds what is asked along more calls than the usual stack is good for.
        lines = on_deep_stack(lambda: list(render(project.deadlocks.lock_graph, GraphFormat(kind), color=coloured)))
        for line in lines:
            click.echo(line, color=coloured)
    if not files and not failures:
        click.echo("threadlint: warning: no Python files found", err=True)
    if failures:
        sys.exit(CANNOT)
