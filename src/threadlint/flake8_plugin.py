"""threadlint under flake8: the same findings for a file as on the command line, with flake8's selection and `# noqa`."""

from __future__ import annotations

import argparse
import ast
import io
import os
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from threadlint import __version__
from threadlint.cache.store import MemoryStore, Store
from threadlint.config import Config, ConfigError, discover

if TYPE_CHECKING:
    # flake8 imports every plugin, even to print its help.
    from threadlint.checking.catalogue import Listed
    from threadlint.checking.glance import Glance

FAILURE = "TL000"
"""The code under which flake8 shows what could not be done; flake8 has no other way to tell."""
PREFIX = "TL"

Reported = tuple[int, int, str, type]


@dataclass(slots=True)
class Settings:
    """The configuration of each folder, and what has been seen of the files that hold under it: for one run of flake8."""

    _of: dict[Path, Config | ConfigError] = field(default_factory=dict)
    _glances: dict[Config, Glance] = field(default_factory=dict)

    def of(self, folder: Path) -> Config:
        """The configuration for the folder. Raises ConfigError, each time that it is asked."""
        found = self._of.get(folder)
        if found is None:
            try:
                found = discover(folder)
            except ConfigError as error:
                found = error
            self._of[folder] = found
        if isinstance(found, ConfigError):
            raise found
        return found

    def glance(self, config: Config) -> Glance:
        """What looks at files under this configuration."""
        from threadlint.checking.glance import Glance  # noqa: PLC0415 flake8 imports every plugin even to print its help

        if config not in self._glances:
            self._glances[config] = Glance(config)
        return self._glances[config]


class Plugin:
    """What flake8 makes for every file.

    `lines` are the file's text as flake8 read it, from the disk or from standard input.
    """

    name = "threadlint"
    version = __version__
    options: ClassVar[argparse.Namespace] = argparse.Namespace()
    # flake8 makes a plugin for each file, and files import each other.
    remembered: ClassVar[Store] = MemoryStore()
    settings: ClassVar[Settings] = Settings()

    def __init__(self, tree: ast.AST, filename: str, lines: Sequence[str]) -> None:
        self._tree = tree
        self._filename = filename
        self._lines = lines

    @classmethod
    def parse_options(cls, options: argparse.Namespace) -> None:
        """Remember flake8's options, as flake8 wants it done: on the class."""
        cls.options = options
        # Another run: what is on the disk may be something else by now.
        cls.settings = Settings()

    def run(self) -> Iterator[Reported]:
        """Each finding as line, column from 0, code with message, and the type of the plugin."""
        name = self._filename
        if name == "-":
            name = getattr(self.options, "stdin_display_name", "stdin")
        path = Path(os.path.abspath(name))  # noqa: PTH100 Path.absolute keeps `..`
        try:
            config = self.settings.of(path.parent)
        except ConfigError as error:
            yield self._failed(0, 0, str(error))
            return
        for unknown in self._unknown(config):
            yield self._failed(0, 0, f"{config.source}: {unknown}")
            return
        config = with_flake8(config, self.options)
        data = encode(self._lines)
        if self.settings.glance(config).nothing_to_say(path, data, self._tree):
            return
        yield from self._found(config, name, data)

    def _unknown(self, config: Config) -> Iterator[str]:
        """What to say of codes in the configuration that name no rule."""
        from threadlint.selection import unknown_codes  # noqa: PLC0415 see _found

        def known() -> Mapping[str, Listed]:
            from threadlint.checking.catalogue import catalogue  # noqa: PLC0415 see _found

            return catalogue(self.remembered)

        return (unknown.message for unknown in unknown_codes(config, known))

    def _found(self, config: Config, name: str, data: bytes) -> Iterator[Reported]:
        from threadlint.engine import lint  # noqa: PLC0415 dear, and most files have nothing for it

        honour_noqa = not getattr(self.options, "disable_noqa", False)
        report = lint((), config, stdin=(name, data), honour_noqa=honour_noqa, store=self.remembered)
        for failure in report.failures:
            yield self._failed(failure.line, failure.column, failure.message)
        for finding in report.findings:
            site = finding.site
            yield site.line, site.column - 1, f"{finding.code} {finding.message}", type(self)

    def _failed(self, line: int, column: int, message: str) -> Reported:
        return max(line, 1), max(column - 1, 0), f"{FAILURE} {message}", type(self)


def with_flake8(config: Config, options: argparse.Namespace) -> Config:
    """`config` with the rules that flake8's options name, among them rules that are off by default.

    `TL` alone only says that the plugin is wanted, as other plugins with rules that are off by default have it.
    """
    named: list[str] = []
    for option in ("select", "extend_select", "enable_extensions"):
        given: Iterable[str] | None = getattr(options, option, None)
        named += [code for code in given or () if code.startswith(PREFIX) and code != PREFIX]
    return replace(config, extend_select=config.extend_select + tuple(named)) if named else config


def encode(lines: Sequence[str]) -> bytes:
    """The bytes of which flake8 made `lines`, in the encoding that they declare."""
    text = "".join(lines)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(text.encode("utf-8", "surrogateescape")).readline)
        return text.encode(encoding)
    except (SyntaxError, UnicodeEncodeError):
        return text.encode("utf-8", "surrogateescape")
