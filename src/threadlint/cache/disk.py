"""The cache on the disk: one file of SQLite for each project, which several runs may use at the same time.

Nothing that is wrong with the file ends a run: a file that is damaged or not ours is made anew, one that cannot be written is only
read, one that cannot be read is left alone, and the user is told once. Values are bytes that their readers decode with strict types,
each with a checksum that is bound to its key; nothing in the file is code, and no view or trigger in it is ever run.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

from threadlint.cache import place
from threadlint.cache.store import Store

APPLICATION = 0x544C6E74
FORMAT = 1
SCHEMA = (
    b"CREATE TABLE entries (key BLOB PRIMARY KEY, used INTEGER NOT NULL, value BLOB NOT NULL)",
    b"""CREATE TABLE files (path TEXT PRIMARY KEY, used INTEGER NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL,
    size INTEGER NOT NULL, inode INTEGER NOT NULL, digest BLOB NOT NULL)""",
)
PATIENCE = 10.0
"""Seconds to wait for another run that writes; it takes a fraction of one."""
RACY = 2 * 10**9
"""Nanoseconds: a file that changed so shortly before it was read may change again without its times telling (FAT counts in 2 s)."""
MEMORY = 32 * 2**20
"""Bytes that are kept back before they are written."""
DAY = 24 * 60 * 60
OLD = 30
"""Days without use after which a value is dropped."""
LARGEST = 2**30
"""Bytes; a larger file loses the quarter of its values that were used longest ago."""
_SEAL = 8
# SQLite's message can quote what is damaged, which need not be text.
_DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)


class DiskStore(Store):
    """The cache in the folder. `warn` is called with one sentence, at most once. Write with `flush` or as a context manager."""

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self._folder = folder
        self._warn: Callable[[str], None] | None = warn
        self._connection: sqlite3.Connection | None = None
        self._opened = False
        self._rebuilt = False
        self._today = int(time.time() // DAY)
        self._entries: dict[bytes, bytes] = {}
        self._files: dict[str, tuple[int, int, int, int, bytes]] = {}
        self._touched: list[tuple[str, bytes | str]] = []
        self._held = 0

    def __enter__(self) -> DiskStore:  # noqa: PYI034 typing.Self is not there in 3.10
        return self

    def __exit__(self, *_error: object) -> None:
        self.flush()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def get(self, key: bytes) -> bytes | None:
        """See Store."""
        waiting = self._entries.get(key)
        if waiting is not None:
            return waiting
        row = self._row("SELECT value, used FROM entries WHERE key = ?", key)
        if row is None or not isinstance(row[0], bytes):
            return None
        value = row[0]
        if value[:_SEAL] != _seal(key, value[_SEAL:]):
            return None
        if row[1] != self._today:
            self._touched.append(("UPDATE entries SET used = ? WHERE key = ?", key))
        return value[_SEAL:]

    def put(self, key: bytes, value: bytes) -> None:
        """See Store."""
        self._entries[key] = value
        self._held += len(value)
        if self._held > MEMORY:
            self.flush()

    def content(self, path: str, stat: os.stat_result) -> bytes | None:
        """See Store."""
        row = self._row("SELECT mtime, ctime, size, inode, digest, used FROM files WHERE path = ?", path)
        if row is None or row[:4] != (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, _signed(stat.st_ino)):
            return None
        if row[5] != self._today:
            self._touched.append(("UPDATE files SET used = ? WHERE path = ?", path))
        return row[4] if isinstance(row[4], bytes) else None

    def see(self, path: str, stat: os.stat_result, digest: bytes) -> None:
        """See Store."""
        if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > RACY:
            row = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, _signed(stat.st_ino), digest)
            with suppress(UnicodeEncodeError):  # a name that is not text is read each time
                path.encode()
                self._files[path] = row

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See Store."""
        connection = self._open()
        with suppress(sqlite3.Error):
            if connection is not None:
                connection.execute("BEGIN")
        try:
            yield
        finally:
            self._end()

    def flush(self) -> None:
        """Write what has been put; in one transaction, so that a run that is killed leaves all of it or nothing.

        What cannot be written stays in memory for this run.
        """
        self._held = 0
        if not (self._entries or self._files or self._touched):
            return
        connection = self._open()
        if connection is None:
            return
        self._end()
        try:
            self._write(connection)
        except sqlite3.OperationalError as error:
            self._end()
            # Another run may be writing for longer than we wait: it is only a cache.
            if "locked" not in str(error):
                self._complain(f"the cache in {self._folder} cannot be written ({error})")
        except _DAMAGE as error:
            self._end()
            self._rebuild(error)
        else:
            self._entries.clear()
            self._files.clear()
            self._touched.clear()

    def _write(self, connection: sqlite3.Connection) -> None:
        today = self._today
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT OR REPLACE INTO entries VALUES (?, ?, ?)",
            ((key, today, _seal(key, value) + value) for key, value in self._entries.items()),
        )
        connection.executemany(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)",
            ((path, today, *row) for path, row in self._files.items()),
        )
        for statement, key in self._touched:
            connection.execute(statement, (today, key))
        # A day in the future comes from a clock that was wrong.
        for table in ("entries", "files"):
            connection.execute(f"DELETE FROM {table} WHERE used < ? OR used > ?", (today - OLD, today + 1))  # noqa: S608 our own names
        ((pages,),) = connection.execute("PRAGMA page_count")
        ((size,),) = connection.execute("PRAGMA page_size")
        if pages * size > LARGEST:
            connection.execute(
                "DELETE FROM entries WHERE rowid IN "
                "(SELECT rowid FROM entries ORDER BY used, rowid LIMIT (SELECT count(*) / 4 + 1 FROM entries))"
            )
        connection.execute("COMMIT")

    def _row(self, query: str, key: bytes | str) -> tuple[object, ...] | None:
        connection = self._open()
        if connection is None:
            return None
        try:
            row: tuple[object, ...] | None = connection.execute(query, (key,)).fetchone()
        except (sqlite3.OperationalError, UnicodeEncodeError, OverflowError):
            return None
        except _DAMAGE as error:
            self._rebuild(error)
            return None
        return row

    def _end(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

    def _open(self) -> sqlite3.Connection | None:
        if not self._opened:
            self._opened = True
            try:
                if not (self._folder / place.FILE).exists():
                    place.make(self._folder)
                self._connection = _connect(self._folder / place.FILE)
            except _ForeignError:
                self._rebuild(None)
            except sqlite3.OperationalError as error:
                self._complain(f"the cache in {self._folder} cannot be used ({error})")
            except _DAMAGE as error:
                self._rebuild(error)
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                self._complain(f"the cache in {self._folder} cannot be made ({reason})")
        return self._connection

    def _rebuild(self, error: Exception | None) -> None:
        """Begin anew after damage (`error`), or where another version or another program made the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if error is not None:
            self._complain(f"the cache in {self._folder} was damaged and is made anew ({error})")
        if self._rebuilt:
            return
        self._rebuilt = True
        try:
            for path in place.files(self._folder):
                path.unlink()
            self._connection = _connect(self._folder / place.FILE)
        except (OSError, *_DAMAGE, _ForeignError) as failed:
            self._complain(f"the cache in {self._folder} cannot be made ({failed})")

    def _complain(self, message: str) -> None:
        if self._warn is not None:
            self._warn(message)
            self._warn = None


class _ForeignError(Exception):
    """The file was made by another version of threadlint, or by another program."""


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=PATIENCE, isolation_level=None)
    connection.text_factory = bytes
    try:
        # A schema that came with the file must not make our statements run anything.
        connection.execute("PRAGMA trusted_schema = OFF")
        with closing(connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")) as found:
            schema = tuple(row[0] for row in found)
        ((application,),) = connection.execute("PRAGMA application_id")
        ((form,),) = connection.execute("PRAGMA user_version")
        known = (schema, application, form) == (SCHEMA, APPLICATION, FORMAT)
        if not schema and not application:
            _create(connection)
            known = True
    except BaseException:
        connection.close()
        raise
    if not known:
        connection.close()
        raise _ForeignError
    return connection


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA auto_vacuum = FULL")
    connection.execute("BEGIN IMMEDIATE")
    # Another run may have been faster.
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        for statement in SCHEMA:
            connection.execute(statement.decode())
    connection.execute("COMMIT")


def _seal(key: bytes, value: bytes) -> bytes:
    """Tells a value that was written for this key, whole, from anything else."""
    return blake2b(value, key=key, digest_size=_SEAL).digest()


def _signed(number: int) -> int:
    """The number as SQLite stores integers."""
    return (number + 2**63) % 2**64 - 2**63
