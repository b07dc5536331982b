"""threadlint under flake8: the same findings for a file as on the command line, with flake8's selection and `# noqa`."""

from __future__ import annotations

import argparse
import ast
import io
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from threadlint import __version__
from threadlint.cache.store import MemoryStore, Store
from threadlint.config import Config, ConfigError, discover

FAILURE = "TL000"
"""The code under which flake8 shows what could not be done; flake8 has no other way to tell."""
PREFIX = "TL"

Reported = tuple[int, int, str, type]


class Plugin:
    """What flake8 makes for every file.

    `lines` are the file's text as flake8 read it, from the disk or from standard input.
    """

    name = "threadlint"
    version = __version__
    options: ClassVar[argparse.Namespace] = argparse.Namespace()
    # flake8 makes a plugin for each file, and files import each other.
    remembered: ClassVar[Store] = MemoryStore()

    def __init__(self, tree: ast.AST, filename: str, lines: Sequence[str]) -> None:
        # flake8 gives a plugin each file only if it asks for the tree; the tree itself keeps no comments.
        del tree
        self._filename = filename
        self._lines = lines

    @classmethod
    def parse_options(cls, options: argparse.Namespace) -> None:
        """Remember flake8's options, as flake8 wants it done: on the class."""
        cls.options = options

    def run(self) -> Iterator[Reported]:
        """Each finding as line, column from 0, code with message, and the type of the plugin."""
        from threadlint.checking.catalogue import catalogue  # noqa: PLC0415 see below
        from threadlint.engine import lint  # noqa: PLC0415 flake8 imports every plugin even to print its help
        from threadlint.selection import unknown_codes  # noqa: PLC0415

        name = self._filename
        if name == "-":
            name = getattr(self.options, "stdin_display_name", "stdin")
        path = Path(name).absolute()
        try:
            config = discover(path.parent)
        except ConfigError as error:
            yield self._failed(0, 0, str(error))
            return
        for unknown in unknown_codes(config, lambda: catalogue(self.remembered)):
            yield self._failed(0, 0, f"{config.source}: {unknown.message}")
            return
        config = with_flake8(config, self.options)
        honour_noqa = not getattr(self.options, "disable_noqa", False)
        report = lint((), config, stdin=(name, encode(self._lines)), honour_noqa=honour_noqa, store=self.remembered)
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
