"""The named files and, transitively, what they import: each with its card, and the facts of those that are not remembered."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import msgspec

from threadlint.cache.fingerprint import SIZE, facts_code, key
from threadlint.cache.store import Store
from threadlint.discovery import SourceFile
from threadlint.facts.comments import scan
from threadlint.facts.form import form
from threadlint.facts.source import SourceError, contents, decode
from threadlint.findings import Failure
from threadlint.loading.card import DEBUG, Card, decode_card, decode_made, described, encode
from threadlint.loading.workers import Workers
from threadlint.modules import Modules

FEW = 20
"""So many files are compared with what they were before; where more are new, that is not what has happened."""
REPORT_AT = "https://github.com/threadlint/threadlint/issues"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file of the run. Its facts are in the store under `facts_key(digest)`."""

    file: SourceFile
    digest: bytes
    card: Card
    leads_to: tuple[Path, ...]
    """the first-party files that it imports"""


@dataclass(slots=True)
class Loader:
    """Loads the files of one run. `given` holds the content of files that is not to be read from the disk."""

    given: Mapping[Path, bytes]
    modules: Modules
    store: Store
    workers: Workers
    progress: Callable[[int, int], None] | None = None
    failures: list[Failure] = field(default_factory=list)
    loaded: dict[Path, Loaded] = field(default_factory=dict)
    _asked: set[Path] = field(default_factory=set)
    _known: set[Path] = field(default_factory=set)
    _next: list[SourceFile] = field(default_factory=list)
    _done: int = 0

    def load(self, named: Sequence[SourceFile]) -> None:
        """Fill `loaded` and `failures`. Raises ExecutorError."""
        self._asked = {file.path for file in named}
        self._known |= self._asked
        wave = list(named)
        while wave:
            self._wave(wave)
            wave, self._next = self._next, []

    def _wave(self, wave: Sequence[SourceFile]) -> None:
        """Load these files, and note in `_next` those that they lead to."""
        missing: list[tuple[SourceFile, os.stat_result | None]] = []
        size = 0
        with self.store.reading():
            for file in wave:
                stat = _stat(file.path) if file.path not in self.given else None
                digest = self.store.content(str(file.path), stat) if stat is not None else None
                card = self._card(digest) if digest is not None else None
                if digest is not None and card is not None:
                    self._add(file, digest, card)
                else:
                    missing.append((file, stat))
                    size += stat.st_size if stat is not None else len(self.given.get(file.path, b""))
        for (file, digest), outcome in self.workers.run(self._tasks(missing), size):
            if isinstance(outcome, Exception):
                self.failures.append(mistake(file.name, "reading this file", outcome))
                continue
            made = decode_made(outcome)
            if made.mistake:
                self.failures.append(mistake(file.name, "reading this file", made.mistake))
                continue
            self.store.put(facts_key(digest), made.facts)
            self._keep(digest, made.card)
            self._add(file, digest, made.card)

    def _tasks(
        self, missing: Sequence[tuple[SourceFile, os.stat_result | None]]
    ) -> Iterator[tuple[tuple[SourceFile, bytes], str, bytes]]:
        """Read the files; those whose content nobody has seen before are tasks for a worker."""
        few = len(missing) <= FEW
        for file, stat in missing:
            try:
                data = self.given[file.path] if file.path in self.given else contents(file.path)
            except SourceError as error:
                self._cannot(file, error)
                continue
            digest = blake2b(data, digest_size=SIZE).digest()
            if stat is not None:
                self.store.see(str(file.path), stat, digest)
            card = self._card(digest)
            if card is None and few and stat is not None:
                card = self._like_before(data, file.name, digest)
            if card is None:
                yield (file, digest), file.name, data
            else:
                self._add(file, digest, card)

    def _keep(self, digest: bytes, card: Card) -> None:
        self.store.put(key("card", facts_code(), digest), encode(card))
        if card.form:
            self.store.put(key("form", facts_code(), card.form), encode(card))

    def _like_before(self, data: bytes, name: str, digest: bytes) -> Card | None:
        """The card of a file that differs from one that is known in comments and blank lines alone; its facts are made if they are asked for."""
        try:
            text = decode(data, name).text
        except SourceError:
            return None
        same = form(text)
        known = self._decoded(key("form", facts_code(), same)) if same else None
        if known is None:
            return None
        # The comments are other ones.
        from threadlint.facts.screen import concerns

        card = Card(known.imports, scan(text).suppressions, known.switches, same, concerns(text))
        self._keep(digest, card)
        return card

    def _add(self, file: SourceFile, digest: bytes, card: Card) -> None:
        if self.progress:
            self.progress(self._done, len(self._known))
        self._done += 1
        if card.error is not None:
            self._cannot(file, SourceError(*card.error))
            return
        paths = tuple(path for imported in card.imports for path in self.modules.files(imported, file.path))
        for path in paths:
            if path not in self._known:
                self._known.add(path)
                self._next.append(SourceFile(path, _shown(path)))
        self.loaded[file.path] = Loaded(file, digest, card, paths)

    def _cannot(self, file: SourceFile, error: SourceError) -> None:
        # A file that is only imported was not asked for, and linting it says what is wrong with it.
        if file.path in self._asked:
            self.failures.append(Failure(file.name, error.line, error.column, error.message))

    def _card(self, digest: bytes) -> Card | None:
        return self._decoded(key("card", facts_code(), digest))

    def _decoded(self, stored: bytes) -> Card | None:
        data = self.store.get(stored)
        if data is None:
            return None
        try:
            return decode_card(data)
        except msgspec.MsgspecError:
            return None


def facts_key(digest: bytes) -> bytes:
    """The key of the facts of a file with this content."""
    return key("facts", facts_code(), digest)


def mistake(path: str, doing: str, reason: Exception | str) -> Failure:
    """A failure that is nobody's fault but ours; under THREADLINT_DEBUG it ends the run."""
    if os.environ.get(DEBUG) and isinstance(reason, Exception):
        raise reason
    said = reason if isinstance(reason, str) else described(reason)
    return Failure(path, 0, 0, f"internal error in {doing}: {said}; please report it at {REPORT_AT}")


def _stat(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 pathlib takes twice the time, and this is asked of every file
    except (OSError, ValueError):
        return None


def _shown(path: Path) -> str:
    """A file that nobody named, as a user in the current folder would name it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
