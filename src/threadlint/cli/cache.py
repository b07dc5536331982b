"""`threadlint cache`: where the cache is, how large it is, and how to be rid of it."""

from __future__ import annotations

from pathlib import Path

import click

from threadlint.cli.options import fail, read_config


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cache() -> None:
    """The cache of the project that the current folder belongs to."""


_FOLDER = click.option(
    "--cache-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of the cache, if not the usual one.",
)


@cache.command()
@_FOLDER
def info(*, cache_dir: Path | None) -> None:
    """Say where the cache is and how large it is."""
    from threadlint.cache.place import files, place

    folder = place(read_config((), None), cache_dir)
    click.echo(f"{folder}: {_size(sum(path.stat().st_size for path in files(folder)))}")


@cache.command()
@_FOLDER
def clear(*, cache_dir: Path | None) -> None:
    """Remove the cache."""
    from threadlint.cache.place import clear as remove, place

    folder = place(read_config((), None), cache_dir)
    try:
        freed = remove(folder)
    except OSError as error:
        fail(f"threadlint: error: {folder} cannot be removed: {(error.strerror or str(error)).lower()}")
    click.echo(f"{folder}: removed {_size(freed)}" if freed else f"{folder}: nothing to remove")


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB" if count else "empty"
