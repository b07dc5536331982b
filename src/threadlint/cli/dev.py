"""`threadlint dev`: for work on threadlint itself."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import click

from threadlint.cli.options import fail


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def dev() -> None:
    """Commands for work on threadlint itself."""


@dev.command()
@click.option(
    "--root", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".", help="The checkout."
)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if something is out of date.")
def docs(root: Path, *, check: bool) -> None:
    """Write docs/rules/ and the table of rules in README.md from the rules' docstrings."""
    from threadlint.cli.pages import page, table, with_table
    from threadlint.rules.rule import all_rules

    rules = all_rules()
    readme = root / "README.md"
    folder = root / "docs" / "rules"
    try:
        wanted = {readme: with_table(readme.read_text(encoding="utf-8"), table(rules.values(), "docs/rules"))}
    except (OSError, ValueError) as error:
        fail(f"{readme}: error: {error}")
    wanted |= {folder / f"{rule.code}.md": page(rule) for rule in rules.values()}
    stale = [path for path in sorted(folder.glob("*.md")) if path not in wanted]
    changed = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in (*changed, *stale):
        click.echo(f"{path}: {'out of date' if check else 'written' if path in wanted else 'removed'}")
    if check:
        sys.exit(1 if changed or stale else 0)
    folder.mkdir(parents=True, exist_ok=True)
    for path in changed:
        path.write_text(wanted[path], encoding="utf-8", newline="\n")
    for path in stale:
        path.unlink()


@dev.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default="fixtures")
@click.option("--output-format", type=click.Choice(("text", "json")), default="text", show_default=True)
def scoreboard(folder: Path, *, output_format: str) -> None:
    """Count the marks in the fixtures in FOLDER: what each rule finds, what it misses, and its false alarms."""
    from threadlint.cli.marks import Kind, marks_below

    counted = Counter((mark.code, mark.kind) for mark in marks_below(folder))
    codes = sorted({code for code, _ in counted})
    if output_format == "json":
        rows = [{"code": code, **{kind.value: counted[code, kind] for kind in Kind}} for code in codes]
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo("code   " + "  ".join(kind.value for kind in Kind))
    for code in codes:
        click.echo(f"{code}  " + "  ".join(f"{counted[code, kind]:>{len(kind.value)}}" for kind in Kind))
    totals = Counter(kind for _, kind in counted.elements())
    click.echo("all    " + "  ".join(f"{totals[kind]:>{len(kind.value)}}" for kind in Kind))
