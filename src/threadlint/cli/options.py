"""What several commands share: reading the configuration, checking codes, colour, and how errors end the run."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import NoReturn

import click

from threadlint.cache.store import Store
from threadlint.cli.main import CANNOT
from threadlint.config import Config, ConfigError, common_folder, discover, load, locate

__all__ = ["CANNOT", "Color", "codes", "colorful", "fail", "read_config", "with_codes"]


class Color(str, Enum):
    """When output has colours."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


def fail(message: str) -> NoReturn:
    """End the run with `message` on stderr and exit code 2."""
    click.echo(message, err=True)
    sys.exit(CANNOT)


def read_config(paths: Sequence[str], file: Path | None) -> Config:
    """The configuration in `file`, or else the one for the folder that all of `paths` are in; ends the run if it is bad."""
    try:
        return load(file) if file else discover(common_folder(paths))
    except ConfigError as error:
        fail(
            f"{error.path}:{error.line}:{error.column}: error: {error.message}"
            if error.line
            else f"{error.path}: error: {error.message}"
        )


def codes(values: Sequence[str]) -> tuple[str, ...]:
    """The codes in option values such as `TL1,TL301`, which may be given several times."""
    return tuple(code for value in values for code in value.replace(",", " ").split())


def with_codes(
    config: Config, select: Sequence[str], extend_select: Sequence[str], ignore: Sequence[str], store: Store
) -> Config:
    """`config` with the codes of the command line; ends the run on a code that names no rule.

    `--select` takes the place of the configuration's selection, `--ignore` adds to what it ignores, and
    `--extend-select` wins over an `ignore` of the same code there.
    """
    from threadlint.checking.catalogue import catalogue
    from threadlint.selection import unknown_codes

    for unknown in unknown_codes(config, lambda: catalogue(store)):
        where = ""
        if config.source:
            line, column = locate(config.source, unknown.key, unknown.code)
            where = f"{config.source}:{line}:{column}: "
        fail(f"{where}error: {unknown.message}")
    given = Config(select=tuple(select), extend_select=tuple(extend_select), ignore=tuple(ignore))
    for unknown in unknown_codes(given, lambda: catalogue(store)):
        raise click.BadParameter(unknown.message, param_hint=f"--{unknown.key}")
    if select:
        return replace(config, select=given.select, extend_select=given.extend_select, ignore=given.ignore)
    kept = tuple(code for code in config.ignore if code not in given.extend_select)
    return replace(config, extend_select=config.extend_select + given.extend_select, ignore=kept + given.ignore)


def colorful(when: Color, *, terminal: bool) -> bool:
    """Whether to use colours: as asked for, else by NO_COLOR (https://no-color.org), FORCE_COLOR, and the terminal."""
    if when is not Color.AUTO:
        return when is Color.ALWAYS
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return terminal and os.environ.get("TERM") != "dumb"
