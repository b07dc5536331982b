"""threadlint under flake8: the same findings as on the command line, with flake8's selection and `# noqa`.

flake8 imports every plugin, even to print its version: what is needed to lint is imported where it is.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from threadlint import __version__

if TYPE_CHECKING:
    from threadlint.flake8_plugin.session import Session

Reported = tuple[int, int, str, type]


class Plugin:
    """What flake8 makes for every file.

    `lines` are the file's text as flake8 read it, from the disk or from standard input.
    """

    name = "threadlint"
    version = __version__
    options: ClassVar[argparse.Namespace] = argparse.Namespace()
    session: ClassVar[Session | None] = None
    """what has been found out in this run of flake8"""

    def __init__(self, tree: ast.AST, filename: str, lines: Sequence[str]) -> None:
        del tree  # it makes flake8 ask for each file once
        self._filename = filename
        self._lines = lines

    @classmethod
    def add_options(cls, manager: Any) -> None:
        """Tell flake8 the options of the plugin, which its configuration may hold too."""
        manager.add_option(
            "--threadlint-no-cache",
            action="store_true",
            parse_from_config=True,
            help="Read nothing from threadlint's cache, and write nothing to it.",
        )

    @classmethod
    def parse_options(cls, options: argparse.Namespace) -> None:
        """Remember flake8's options, as flake8 wants it done: on the class. Lint, if flake8 is about to start processes."""
        from threadlint.flake8_plugin.options import starts_processes

        cls.options = options
        cls.session = None
        if starts_processes(options):
            cls._session().prepare()

    def run(self) -> Iterator[Reported]:
        """Each finding as line, column from 0, code with message, and the type of the plugin."""
        from threadlint.flake8_plugin.options import can_report

        if not can_report(self.options):
            return
        for line, column, text in self._session().rows(self._filename, self._lines):
            yield line, column, text, type(self)

    @classmethod
    def _session(cls) -> Session:
        """That of this run: whoever calls flake8 from Python may change the options after they have been parsed, and run it again."""
        from threadlint.flake8_plugin.options import named
        from threadlint.flake8_plugin.session import Session

        if cls.session is None or cls.session.named != named(cls.options):
            cls.session = Session(cls.options)
        return cls.session
