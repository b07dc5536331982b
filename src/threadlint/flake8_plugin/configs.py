"""Which configuration holds for a file that flake8 checks: that of the command line, unless the file's own project has one."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from threadlint.config import Config, ConfigError, common_folder, configures, discover, load
from threadlint.flake8_plugin.options import STDIN, named, stdin_name, with_flake8

K = TypeVar("K")
V = TypeVar("V")


class Configs:
    """The configurations of one run of flake8, each read once. All methods raise ConfigError, each time that they are asked."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._tables: dict[Path, Path | ConfigError | None] = {}
        self._read: dict[Path | None, Config | ConfigError] = {}

    def of(self, name: str) -> Config:
        """The configuration for the file, with what flake8's options add.

        The nearest pyproject.toml with our table decides; without one, it is that of the folder that all of the named files are in.
        """
        table = self._table(Path(os.path.abspath(name)).parent)
        return _once(self._read, table, self._load)

    def same(self, name: str, config: Config) -> bool:
        """Whether the file is under this configuration; it does not raise."""
        try:
            return self.of(name) == config
        except (ConfigError, OSError):
            return False

    def _load(self, table: Path | None) -> Config:
        if table is not None:
            return with_flake8(load(table), self._options)
        names = named(self._options) or ["."]
        places = [stdin_name(self._options) if name == STDIN else name for name in names]
        return with_flake8(discover(common_folder(places)), self._options)

    def _table(self, folder: Path) -> Path | None:
        return _once(self._tables, folder, self._look)

    def _look(self, folder: Path) -> Path | None:
        return configures(folder) or (self._table(folder.parent) if folder != folder.parent else None)


def _once(known: dict[K, V | ConfigError], key: K, ask: Callable[[K], V]) -> V:
    """The answer, asked for once, be it an error."""
    if key not in known:
        try:
            known[key] = ask(key)
        except ConfigError as error:
            known[key] = error
    found = known[key]
    if isinstance(found, ConfigError):
        raise found
    return found
