"""`threadlint confirm`: run what was flagged, and say whether the mistake happens."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

import click

from threadlint.cli.options import CANNOT, fail, read_config
from threadlint.findings import Oracle, Site
from threadlint.runtime.trial import Options, Program, Trial
from threadlint.runtime.verdict import Tier, Verdict

FORMATS = ("text", "json")
ORACLES = MappingProxyType(
    {
        "TL101": Oracle.LOST_UPDATE,
        "TL102": Oracle.LOST_UPDATE,
        "TL103": Oracle.LOST_UPDATE,
        "TL104": Oracle.LOST_UPDATE,
        "TL105": Oracle.LOST_UPDATE,
        "TL108": Oracle.LOST_UPDATE,
        "TL201": Oracle.LOCK_LEAK,
        "TL205": Oracle.SELF_DEADLOCK,
        "TL206": Oracle.LOCK_ORDER,
        "TL207": Oracle.LOCK_ORDER,
        "TL208": Oracle.LOCK_ORDER,
        "TL209": Oracle.SELF_DEADLOCK,
        "TL301": Oracle.SWALLOWED_ERROR,
        "TL303": Oracle.POOL_DEADLOCK,
        "TL401": Oracle.QUEUE_JOIN,
        "TL501": Oracle.LOST_UPDATE,
        "TL502": Oracle.SEMAPHORE,
        "TL505": Oracle.EVENT,
        "TL507": Oracle.BARRIER,
        "TL701": Oracle.LOOP_BLOCKED,
        "TL702": Oracle.AWAIT_RACE,
        "TL703": Oracle.LOOP_BLOCKED,
        "TL707": Oracle.NEVER_AWAITED,
    }
)
"""What a run must show for codes of the catalogue whose rule is not there yet; a rule's own oracle comes first."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("target", metavar="PATH[:LINE]")
@click.argument("arguments", nargs=-1, metavar="[-- ARGUMENT...]")
@click.option("--as", "code", metavar="CODE", help="Try LINE as if this rule had flagged it.")
@click.option(
    "--run", "command", metavar="COMMAND", help="Drive the code through this command instead of running PATH."
)
@click.option(
    "--python", default=sys.executable, metavar="EXE", help="The interpreter for PATH: CPython 3.10 or newer."
)
@click.option(
    "--timeout", type=click.FloatRange(min=0.5), default=20.0, show_default=True, help="Seconds for each run."
)
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True, help="Runs before giving up.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Trials at the same time.")
@click.option(
    "--harness", is_flag=True, help="Do not run PATH: call the flagged function from two threads, on one instance."
)
@click.option("--output-format", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option(
    "--write-test",
    "test_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a pytest file that fails while the confirmed mistake is there, and passes when it is mended.",
)
def confirm(
    *,
    target: str,
    arguments: tuple[str, ...],
    code: str | None,
    command: str | None,
    python: str,
    timeout: float,
    runs: int,
    jobs: int,
    harness: bool,
    output_format: str,
    test_file: Path | None,
) -> None:
    """Run PATH as a script and show that what is flagged in it happens.

    This executes the program: in a process of its own, with a time limit, without input. With LINE, only what is
    flagged there is tried. Exit code: 0 nothing confirmed, 1 something confirmed, 2 something could not be done.
    """
    from threadlint.runtime.interpreter import problem_with

    path, line = parse_target(target)
    if command is None:
        problem = problem_with(python)
        if problem is not None:
            fail(f"threadlint: error: {problem}")
    trials, complete = ([trial_as(code, path, line)], True) if code else found_by_linting(path, line)
    if not trials:
        click.echo("threadlint: nothing to try: no finding here has an oracle", err=True)
        sys.exit(0 if complete else CANNOT)
    options = Options(python=python, timeout=timeout, runs=runs, jobs=jobs, harness=harness)
    verdicts = try_all(trials, options, path=path, arguments=arguments, command=command, stream=output_format == "text")
    if output_format == "json":
        from threadlint.runtime.json_array import render

        click.echo(render(verdicts))
    if test_file is not None:
        write_test(test_file, path, trials, verdicts, timeout=timeout)
    if any(verdict.tier.is_confirmed for verdict in verdicts):
        sys.exit(1)
    failed = not complete or any(verdict.tier.is_failure for verdict in verdicts)
    sys.exit(CANNOT if failed else 0)


def parse_target(target: str) -> tuple[Path, int | None]:
    """`path` or `path:line`; ends the run if there is no such file or line."""
    name, _, number = target.rpartition(":")
    path, line = Path(target), None
    if name and number.isascii() and number.isdigit() and not path.exists():
        path, line = Path(name), int(number)
    if not path.exists():
        fail(f"{path}: error: no such file")
    if line is not None:
        if path.is_dir():
            fail(f"{path}: error: a line needs a file, and this is a folder")
        try:
            count = len(path.read_bytes().splitlines())
        except OSError as error:
            fail(f"{path}: error: cannot be read: {(error.strerror or str(error)).lower()}")
        if not 1 <= line <= count:
            fail(f"{path}:{line}: error: there is no such line; the file has {count}")
    return path, line


def oracle_of(code: str) -> tuple[str, Oracle]:
    """Name and oracle of a rule; ends the run for codes that cannot be tried."""
    from threadlint.rules.rule import all_rules

    rule = all_rules().get(code)
    if rule is not None and rule.oracle is not None:
        return rule.name, rule.oracle
    if code in ORACLES:
        return rule.name if rule is not None else code, ORACLES[code]
    if rule is not None:
        fail(f"threadlint: error: {code} cannot be tried: no run can show it")
    from difflib import get_close_matches

    near = get_close_matches(code, [*all_rules(), *ORACLES], n=1)
    return fail(f"threadlint: error: unknown code `{code}`" + (f"; did you mean `{near[0]}`" if near else ""))


def trial_as(code: str, path: Path, line: int | None) -> Trial:
    """The trial of a line as if `code` had flagged it."""
    name, oracle = oracle_of(code)
    if line is None:
        fail("threadlint: error: --as needs a line: PATH:LINE")
    return Trial(code, name, oracle, Site(str(path), line, 0, line, 0))


def found_by_linting(path: Path, line: int | None) -> tuple[list[Trial], bool]:
    """The trials of the findings in a file or folder, and whether all of it could be linted."""
    from threadlint.engine import lint
    from threadlint.report.text import failure

    report = lint([str(path)], read_config([str(path)], None))
    for failed in report.failures:
        click.echo(failure(failed), err=True)
    found = [
        finding for finding in report.findings if line is None or finding.site.line <= line <= finding.site.end_line
    ]
    return [trial for trial in map(Trial.of, found) if trial is not None], not report.failures


def try_all(
    trials: Sequence[Trial],
    options: Options,
    *,
    path: Path,
    arguments: tuple[str, ...],
    command: str | None,
    stream: bool,
) -> list[Verdict]:
    """Try each; print each verdict as text when it is there, if `stream`."""
    from threadlint.runtime.confirm import confirm as run_trials
    from threadlint.runtime.text import render

    verdicts: list[Verdict] = []
    if len(trials) > 1 and sys.stderr.isatty():
        click.echo(f"threadlint: {len(trials)} findings to try, each in up to {options.runs} runs", err=True)
    for program, group in by_program(trials, path=path, arguments=arguments, command=command):
        for verdict in run_trials(program, group, options):
            verdicts.append(verdict)
            if stream:
                for text in render(verdict):
                    click.echo(text)
    return verdicts


def by_program(
    trials: Sequence[Trial], *, path: Path, arguments: tuple[str, ...], command: str | None
) -> list[tuple[Program, list[Trial]]]:
    """Which program tries what: the command, else the file named, else, for a folder, each finding's own file."""
    if command:
        return [(Program(command=command), list(trials))]
    if path.is_file():
        return [(Program(path, arguments), list(trials))]
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(trial.site.path, []).append(trial)
    return [(Program(Path(name), arguments), group) for name, group in groups.items()]


def write_test(
    file: Path, program: Path, trials: Sequence[Trial], verdicts: Sequence[Verdict], *, timeout: float
) -> None:
    """Write the regression test of what was confirmed; says so if there is nothing to write."""
    from threadlint.runtime.regression import regression_test

    found = [
        (trial, verdict) for trial, verdict in zip(trials, verdicts, strict=True) if verdict.tier is Tier.CONFIRMED
    ]
    text = regression_test(program, found, file, timeout) if program.is_file() else None
    if text is None:
        click.echo(
            f"threadlint: {file} is not written: nothing was confirmed that a test of a script can show", err=True
        )
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{file}: error: cannot be written: {(error.strerror or str(error)).lower()}")
