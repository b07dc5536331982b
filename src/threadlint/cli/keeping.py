"""The options of `check` about its speed: where to keep what is found out, and who reads the files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from threadlint.cli.options import fail
from threadlint.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable

    from threadlint.cache.store import Store
    from threadlint.loading.workers import Workers

F = TypeVar("F", bound="Callable[..., Any]")


def keeping(command: F) -> F:
    """Add the options to a command."""
    for option in reversed(
        (
            click.option("--no-cache", is_flag=True, help="Read nothing from the cache, and write nothing to it."),
            click.option(
                "--cache-dir",
                type=click.Path(file_okay=False, path_type=Path),
                help="The folder of the cache; .threadlint_cache in the root of the project by default.",
            ),
            click.option(
                "--jobs",
                type=click.IntRange(min=1),
                metavar="N",
                help="How many files to read at a time; one for each processor by default.",
            ),
            click.option(
                "--executor",
                callback=_executor,
                metavar="KIND",
                help="What reads files: process, thread, or dask://HOST:PORT for a Dask cluster.",
            ),
        )
    ):
        command = option(command)
    return command


@contextmanager
def opened(config: Config, folder: Path | None, *, no_cache: bool) -> Iterator[Store]:
    """The cache of the project; with `no_cache`, one that is empty and forgets everything."""
    if no_cache:
        from threadlint.cache.store import MemoryStore

        yield MemoryStore()
        return
    from threadlint.cache.disk import DiskStore
    from threadlint.cache.place import place

    with DiskStore(place(config, folder), lambda said: click.echo(f"threadlint: warning: {said}", err=True)) as store:
        yield store


@contextmanager
def working(jobs: int | None, kind: str | None) -> Iterator[Workers]:
    """Those who read the files; ends the run where they cannot be had."""
    from threadlint.loading.workers import ExecutorError, Workers, default_jobs, default_kind

    try:
        yield Workers(jobs or default_jobs(), kind or default_kind())
    except ExecutorError as error:
        fail(f"threadlint: error: {error}")


def _executor(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is None or value in {"process", "thread"} or re.fullmatch(r"dask://.+:\d+", value):
        return value
    raise click.BadParameter(f"`{value}` is none of process, thread and dask://HOST:PORT")
