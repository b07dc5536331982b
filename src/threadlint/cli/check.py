"""`threadlint check`: lint files and print the findings."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

import click

from threadlint.cli.keeping import keeping, opened, working
from threadlint.cli.main import CANNOT, COMMANDS
from threadlint.cli.options import Color, codes, colorful, fail, read_config, with_codes
from threadlint.cli.progress import progress
from threadlint.config import parse_version
from threadlint.findings import Report

STDIN = "-"
FORMATS = ("text", "concise", "json", "github", "sarif")


def _version(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[int, int] | None:
    try:
        return parse_version(value) if value else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--select", multiple=True, metavar="CODES", help="Run only these rules: codes or prefixes, or ALL.")
@click.option("--extend-select", multiple=True, metavar="CODES", help="Run these rules too.")
@click.option("--ignore", multiple=True, metavar="CODES", help="Do not run these rules.")
@click.option(
    "--output-format", type=click.Choice(FORMATS), default="text", show_default=True, help="How to write findings."
)
@click.option(
    "--output-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the findings to this file instead of the terminal.",
)
@click.option("--statistics", is_flag=True, help="Count the findings of each rule instead of listing them.")
@click.option("--why", is_flag=True, help="Print the steps that lead from a thread root to each finding (text output).")
@click.option("--confirm", is_flag=True, help="Run each file with findings, and say of each finding what was seen.")
@click.option("--only-confirmed", is_flag=True, help="Report only what a run has shown; implies --confirm.")
@click.option("--run", "command", metavar="COMMAND", help="With --confirm: run this instead of the files.")
@click.option(
    "--timeout", type=click.FloatRange(min=0.5), default=20.0, show_default=True, help="Seconds for each of these runs."
)
@click.option("--fix", "mend", is_flag=True, help="Change the files: make the safe fixes, report what is left.")
@click.option("--unsafe-fixes", "unsafe", is_flag=True, help="With --fix or --diff: make the unsafe fixes too.")
@click.option("--diff", is_flag=True, help="Print what --fix would change; write nothing; exit with 1 if it would.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 even if there are findings.")
@click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read [tool.threadlint] from this file instead of the nearest pyproject.toml that has one.",
)
@click.option("--target-version", callback=_version, metavar="VERSION", help="Oldest Python to run on, such as 3.10.")
@click.option(
    "--free-threaded",
    is_flag=True,
    help="The code also runs on free-threaded builds: run the rules for them too, and list what only they show first.",
)
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave out what matches, as in .gitignore.")
@click.option("--force-exclude", is_flag=True, help="Leave out excluded files even if they are named.")
@click.option("--stdin-filename", metavar="PATH", help="The name of what `-` reads from standard input.")
@keeping
@click.option(
    "--color",
    type=click.Choice([when.value for when in Color]),
    default="auto",
    show_default=True,
    help="Colours in text output; auto obeys NO_COLOR and FORCE_COLOR.",
)
def check(
    *,
    paths: tuple[str, ...],
    select: tuple[str, ...],
    extend_select: tuple[str, ...],
    ignore: tuple[str, ...],
    output_format: str,
    output_file: Path | None,
    statistics: bool,
    why: bool,
    confirm: bool,
    only_confirmed: bool,
    command: str | None,
    timeout: float,
    mend: bool,
    unsafe: bool,
    diff: bool,
    exit_zero: bool,
    config_file: Path | None,
    target_version: tuple[int, int] | None,
    free_threaded: bool,
    exclude: tuple[str, ...],
    force_exclude: bool,
    stdin_filename: str | None,
    no_cache: bool,
    cache_dir: Path | None,
    jobs: int | None,
    executor: str | None,
    color: str,
) -> None:
    """Report thread-safety mistakes in Python files.

    PATH is a file, a folder (searched for .py and .pyw files, by .gitignore), or `-` for standard input; without one, the
    current folder. The modules of the project that the files import are read too, but findings are reported
    only for the files named.
    """
    if stdin_filename and STDIN not in paths:
        raise click.UsageError("--stdin-filename is the name of standard input, which is read only for the path `-`")
    paths = paths or (".",)
    stdin = (stdin_filename or "stdin.py", sys.stdin.buffer.read()) if STDIN in paths else None
    places = [stdin[0] if stdin and path == STDIN else path for path in paths]
    config = read_config(places, config_file)
    config = replace(
        config,
        target_version=target_version or config.target_version,
        free_threaded=free_threaded or config.free_threaded,
        force_exclude=force_exclude or config.force_exclude,
        exclude=config.exclude + _patterns(exclude),
    )

    if command and not (confirm or only_confirmed):
        raise click.UsageError("--run is what --confirm runs; give --confirm too")

    from threadlint.cli.fixing import Mode, linted, show, write
    from threadlint.engine import lint
    from threadlint.report import Format, render

    mode = Mode.DIFF if diff else Mode.FIX if mend else Mode.OFFER
    with opened(config, cache_dir, no_cache=no_cache) as store:
        config = with_codes(config, codes(select), codes(extend_select), codes(ignore), store)
        with progress() as tell, working(jobs, executor) as workers:
            fixed = linted(
                lambda changed: lint(
                    paths, config, stdin=stdin, progress=tell, changed=changed, store=store, workers=workers
                ),
                mode,
                unsafe=unsafe,
                stdin=stdin,
                store=store,
            )
    if mode is Mode.DIFF:
        show(fixed, unsafe=unsafe, color=colorful(Color(color), terminal=sys.stdout.isatty()))
        _say(fixed.report, paths, summarise=False)
        sys.exit(CANNOT if fixed.report.failures else 1 if fixed.after and not exit_zero else 0)
    report = write(fixed, stdin) if mode is Mode.FIX else fixed.report
    if confirm or only_confirmed:
        from threadlint.proving import with_verdicts
        from threadlint.runtime.trial import Options

        options = Options(python=sys.executable, timeout=timeout)
        report = with_verdicts(report, options, command=command or "", only_confirmed=only_confirmed)
    kind = Format(output_format)
    coloured = output_file is None and colorful(Color(color), terminal=sys.stdout.isatty())
    try:
        lines = render(
            report, kind, color=coloured, counts=statistics, why=why, unsafe=unsafe, by_build=config.free_threaded
        )
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--statistics") from None
    # Standard output is for the fixed source then.
    _write(lines, output_file, color=coloured, err=stdin is not None and mode is Mode.FIX)
    _say(report, paths, summarise=kind in {Format.TEXT, Format.CONCISE}, unsafe=unsafe)
    if report.failures:
        sys.exit(CANNOT)
    sys.exit(1 if report.findings and not exit_zero else 0)


def _patterns(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        return ()
    from threadlint.config import patterns

    try:
        return patterns(values)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--exclude") from None


def _write(lines: Iterable[str], file: Path | None, *, color: bool, err: bool) -> None:
    if file is None:
        for line in lines:
            click.echo(line, color=color, err=err)
        return
    try:
        with file.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
            stream.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        fail(f"{file}: error: cannot be written: {(error.strerror or str(error)).lower()}")


def _say(report: Report, paths: tuple[str, ...], *, summarise: bool, unsafe: bool = False) -> None:
    """Tell on stderr what could not be done, and how many findings there are."""
    from threadlint.report.text import failure, fixable, summary

    for failed in report.failures:
        click.echo(failure(failed), err=True)
        near = get_close_matches(failed.path, COMMANDS, n=1)
        if near and failed.path in paths:
            click.echo(f"threadlint: the command `{near[0]}` has a similar name", err=True)
    if not report.files and not report.failures:
        click.echo("threadlint: warning: no Python files found", err=True)
    elif summarise:
        click.echo(summary(report), err=True)
        for line in fixable(report, unsafe=unsafe):
            click.echo(line, err=True)
