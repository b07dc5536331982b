"""A glance at the files of a run, before facts are computed: in which of them any rule can have something to say.

flake8 is run on files most of which say nothing of threads. What decides is the same as in `parts`: no rule but those marked `everywhere`
speaks of files where neither they nor any that imports connect with them have a word of concurrency; and those ask for something in the file
itself. Nothing is parsed for that: what looks like an import in a text connects files, so that the groups are those of `parts` or
larger ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from pathlib import Path

from threadlint.checking.connected import connected
from threadlint.checking.everywhere import lends, may_match
from threadlint.checking.removals import Removers
from threadlint.config import Config
from threadlint.facts.ambient import is_ambient
from threadlint.facts.screen import concerns
from threadlint.facts.source import SourceError, contents, decode
from threadlint.modules import Modules

_CODED = re.compile(r"noqa[^\n]*tl\d", re.IGNORECASE)
"""A comment of which TL001 may say that it silences nothing; those in our own words are words of concurrency."""
# Prose may look like an import, too. It does not hide a real one behind it: what is in brackets is only looked at. Each part ends where the
# next begins, so that no text makes this slow.
_IMPORT = re.compile(r"[\n;:][ \t\f]*import\b([^\n;#]*)")
_FROM = re.compile(r"[\n;:][ \t\f]*from\b([.\w \t\f]*?)\bimport\b(?=[ \t\f]*(\((?:[\w\s,]|#[^\n]*)*|[^\n;#]*))")
_REMARK = re.compile(r"#[^\n]*")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a look at a file tells: what stands for its text, whether it may count as one with concurrency, and the files that it imports."""

    digest: str
    says: bool
    ambient: bool
    leads_to: tuple[str, ...]


@dataclass(slots=True)
class Glance:
    """Looks at the named files and at what they import. `given` holds the texts of files that are not to be read from the disk.

    Files are known by their absolute paths.
    """

    config: Config
    given: Mapping[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    """what stands for the text of each named file that can be read; lines end with a line feed in it, whatever the file has"""
    telling: set[str] = field(default_factory=set)
    """the named files that may have findings, or of which something else is to be said"""

    def look(self, named: Iterable[str]) -> None:
        """Fill `digests` and `telling`."""
        # Modules remember by which folder a file was reached: those who link must not learn it from prose.
        modules = Modules(self.config)
        seen: dict[str, _Seen] = {}
        asked = set(named)
        waiting = sorted(asked)
        while waiting:
            path = waiting.pop()
            if path in seen:
                continue
            try:
                one = seen[path] = _look(path, self._text(path), modules)
            except SourceError:
                # A file that is only imported is left out of the analysis, and so is what it imports; of a named one that is said.
                if path in asked:
                    self.telling.add(path)
                continue
            waiting.extend(one.leads_to)
        own = asked & seen.keys()
        self.digests = {path: seen[path].digest for path in own}
        if self.config.thread_roots or any(one.ambient for one in seen.values()):
            self.telling |= own
            return
        for group in connected({path: one.leads_to for path, one in seen.items()}):
            if any(seen[path].says for path in group) or self._may_tell(own.intersection(group), group):
                self.telling |= own.intersection(group)

    def _may_tell(self, members: Iterable[str], group: Iterable[str]) -> bool:
        """Whether something may be said of these members of a group where nothing speaks of concurrency."""
        # Each text is read once more: those of a large run need not fit in memory together, but where a question is put to all of a group.
        around = Removers(cache(lambda: [self._text(path) for path in group]))
        try:
            texts = map(self._text, members)
            return any(_CODED.search(text) or may_match(text, self.config, around) for text in texts)
        except SourceError:
            return True

    def _text(self, path: str) -> str:
        return self.given[path] if path in self.given else unix(decode(contents(Path(path)), path).text)


def unix(text: str) -> str:
    """The text with line feeds at the ends of its lines."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def digest(text: str) -> str:
    """What stands for a text."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def imported(text: str) -> Iterator[str]:
    """The dotted names that the text imports, or seems to, as `FileFacts.imports` has them."""
    text = "\n" + text  # to look for line feeds is faster than for the beginnings of lines
    if "\\\n" in text:
        text = text.replace("\\\n", " ")
    for names in _IMPORT.findall(text):
        yield from _names(names)
    for where, names in _FROM.findall(text):
        module = "".join(where.split())
        yield module
        for name in _names(_REMARK.sub("", names.lstrip("("))):
            yield f"{module}{'' if module.endswith('.') else '.'}{name}"


def _names(listed: str) -> Iterator[str]:
    """The dotted names in `name as other, ...`, where blanks may be around each dot."""
    for alias in listed.split(","):
        words = alias.split()
        if words:
            yield "".join(words[: words.index("as")] if "as" in words else words)


def _look(path: str, text: str, modules: Modules) -> _Seen:
    names = dict.fromkeys(imported(text)) if "import" in text else ()
    importer = Path(path)
    found = (str(other) for name in names for other in modules.files(name, importer))
    ambient = is_ambient(text)
    return _Seen(digest(text), ambient or lends(text) or concerns(text), ambient, tuple(dict.fromkeys(found)))
