"""One run of flake8: all its files are linted together, once, and flake8 asks for what was found in each.

What is in a file may depend on those that import it, so one file at a time gives other findings than the command line, and takes far longer: each
file is linked with all that it imports, again and again. So the first that is asked for lints all that flake8 is going to check. That is done
where flake8 starts:

- With one process, or from standard input, when flake8 asks for the first file.
- With several, when flake8 has parsed its options, before it starts them. Were it left to them, one would have to work while the others wait, and
  it could not have help, since flake8's processes may not start any. By `fork` they know what was found; those that are started anew find it in a file
  (`handover`). The cache alone would not do: it may not be writable, and to ask it for each file in each process takes longer.

Before anything is linted, a glance at the texts tells which files can have findings. The others need neither the cache nor the analysis.
A file with another text than was linted (standard input, or it has changed meanwhile) is linted when it is asked for, with those around it.
"""

from __future__ import annotations

import argparse
import gc
import logging
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from threadlint.config import Config, ConfigError
from threadlint.flake8_plugin import handover
from threadlint.flake8_plugin.configs import Configs
from threadlint.flake8_plugin.options import STDIN, files, jobs, named, stdin_name

if TYPE_CHECKING:
    # Files that say nothing of threads need none of them.
    from threadlint.cache.store import Store
    from threadlint.checking.catalogue import Listed
    from threadlint.findings import Report

FAILURE = "TL000"
"""The code under which flake8 shows what could not be done; flake8 has no other way to tell."""
DEBUG = "THREADLINT_DEBUG"
_LOG = logging.getLogger("flake8.threadlint")

Row = tuple[int, int, str]
"""Line, column from 0, code and message."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of a file with this text; of any text where there is no digest."""

    digest: str
    rows: tuple[Row, ...] = ()


class Session:
    """What has been found out in one run of flake8, of what is `named` in its options."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.named = named(options)
        self._options = options
        self._configs = Configs(options)
        self._files: list[str] | None = None
        self._told: dict[str, Told] | None = None

    def prepare(self) -> None:
        """Lint now, and tell the processes that will be started from here."""
        told = self._all()
        if handover.needed():
            handover.leave(self.named, {path: [one.digest, one.rows] for path, one in told.items()})

    def rows(self, name: str, lines: Sequence[str]) -> Sequence[Row]:
        """What is found in the file of this name and text."""
        from threadlint.checking.glance import digest, unix

        if name == STDIN:
            name = stdin_name(self._options)
        text = "".join(lines)
        told = self._all().get(os.path.abspath(name))
        if told is None or told.digest not in {"", digest(unix(text))}:
            told = self._alone(name, text)
        return told.rows

    def _all(self) -> dict[str, Told]:
        """What is said of each of the files, by path."""
        if self._told is None:
            self._told = _decoded(handover.take(self.named))
        if self._told is None:
            with _collector_off():
                self._told = self._together()
            gc.freeze()  # what was imported stays; flake8's collector need not look through it again and again
        return self._told

    def _together(self) -> dict[str, Told]:
        """Lint the files; those under one configuration together."""
        told: dict[str, Told] = {}
        groups: dict[Config, list[str]] = {}
        for name in self._listed():
            try:
                groups.setdefault(self._configs.of(name), []).append(name)
            except (ConfigError, OSError) as error:
                told[os.path.abspath(name)] = _failed(str(error))
        for config, group in groups.items():
            try:
                told |= self._group(config, group)
            except Exception as error:  # noqa: BLE001 a mistake of ours must not end flake8
                told |= {os.path.abspath(name): _mistake(error) for name in group}
        return told

    def _group(self, config: Config, names: Sequence[str]) -> dict[str, Told]:
        from threadlint.checking.glance import Glance

        paths = {os.path.abspath(name): name for name in names}
        wrong = self._wrong(config)
        if wrong:
            return dict.fromkeys(paths, _failed(wrong))
        glance = Glance(config)
        glance.look(paths)
        telling = [name for path, name in paths.items() if path in glance.telling]
        found = _by_path(self._report(config, telling)) if telling else {}
        general = found.pop("", [])
        return {
            path: Told(
                glance.digests.get(path, ""), (*(general if path in glance.telling else ()), *found.get(path, ()))
            )
            for path in paths
        }

    def _alone(self, name: str, text: str) -> Told:
        """Lint a file with a text that nobody has seen yet, in the context of the others."""
        try:
            with _collector_off():
                return Told("", tuple(self._rows_alone(name, text)))
        except (ConfigError, OSError) as error:
            return _failed(str(error))
        except Exception as error:  # noqa: BLE001 as above
            return _mistake(error)

    def _rows_alone(self, name: str, text: str) -> Iterator[Row]:
        from threadlint.checking.glance import Glance, unix

        path = os.path.abspath(name)
        config = self._configs.of(name)
        wrong = self._wrong(config)
        if wrong:
            yield from _failed(wrong).rows
            return
        others = {os.path.abspath(other): other for other in self._listed() if self._configs.same(other, config)}
        others.pop(path, None)
        glance = Glance(config, {path: unix(text)})
        glance.look([path, *others])
        if path in glance.telling:
            around = [other for where, other in others.items() if where in glance.telling]
            found = _by_path(self._report(config, around, (name, encode(text))))
            yield from (*found.get("", ()), *found.get(path, ()))

    def _listed(self) -> list[str]:
        if self._files is None:
            self._files = files(self._options)
        return self._files

    def _wrong(self, config: Config) -> str:
        """What to say of codes in the configuration that name no rule."""
        from threadlint.selection import unknown_codes

        def known() -> Mapping[str, Listed]:
            from threadlint.checking.catalogue import catalogue

            with self._store(config) as store:
                return catalogue(store)

        return next((f"{config.source}: {one.message}" for one in unknown_codes(config, known)), "")

    def _report(self, config: Config, names: Sequence[str], stdin: tuple[str, bytes] | None = None) -> Report:
        from threadlint.engine import lint
        from threadlint.loading.workers import ExecutorError, Workers, default_kind

        honour_noqa = not getattr(self._options, "disable_noqa", False)

        def run(count: int) -> Report:
            with self._store(config) as store:
                workers = Workers(count, default_kind())
                return lint(names, config, stdin=stdin, honour_noqa=honour_noqa, store=store, workers=workers)

        # A process of flake8's own may not start others.
        count = 1 if multiprocessing.current_process().daemon else jobs(self._options)
        if count > 1:
            try:
                return run(count)
            except (ExecutorError, OSError, ImportError, NotImplementedError):
                # There are systems without the semaphores for it; flake8 does without, too.
                _LOG.warning("threadlint reads the files in one process", exc_info=True)
        return run(1)

    @contextmanager
    def _store(self, config: Config) -> Iterator[Store]:
        if getattr(self._options, "threadlint_no_cache", False):
            from threadlint.cache.store import MemoryStore

            yield MemoryStore()
            return
        from threadlint.cache.disk import DiskStore
        from threadlint.cache.place import place

        # Said only where flake8 is told to be verbose: editors show all that comes on stderr.
        with DiskStore(place(config), _LOG.warning) as store:
            yield store


def encode(text: str) -> bytes:
    """The bytes of which flake8 made the text, in the encoding that it declares."""
    from threadlint.facts.source import SourceError, encoding_of

    data = text.encode("utf-8", "surrogateescape")
    try:
        return text.encode(encoding_of(data)[0])
    except (SourceError, UnicodeEncodeError, LookupError):
        return data


@contextmanager
def _collector_off() -> Iterator[None]:
    """As on the command line: facts and answers about them hold no cycles worth looking for."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _by_path(report: Report) -> dict[str, list[Row]]:
    """What is to be said of each file; of no file in particular under the empty name."""
    found: dict[str, list[Row]] = {}
    for failure in report.failures:
        path = os.path.abspath(failure.path) if failure.path else ""
        row = max(failure.line, 1), max(failure.column - 1, 0), f"{FAILURE} {failure.message}"
        found.setdefault(path, []).append(row)
    for finding in report.findings:
        site = finding.site
        row = site.line, site.column - 1, f"{finding.code} {finding.message}"
        found.setdefault(os.path.abspath(site.path), []).append(row)
    return found


def _failed(message: str) -> Told:
    return Told("", ((1, 0, f"{FAILURE} {message}"),))


def _mistake(error: Exception) -> Told:
    if os.environ.get(DEBUG):
        raise error
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    return _failed(f"internal error: {reason}; please report it at https://github.com/threadlint/threadlint/issues")


def _decoded(value: Any) -> dict[str, Told] | None:
    if value is None:
        return None
    return {
        path: Told(digest, tuple((line, column, text) for line, column, text in rows))
        for path, (digest, rows) in value.items()
    }
