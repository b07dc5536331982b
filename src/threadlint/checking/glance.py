"""A glance at a file and at what it imports: whether any rule can have something to say of it, before facts are computed.

flake8 asks for one file at a time, and most files say nothing of threads. What decides is the same as in `parts`: no rule but those marked
`everywhere` speaks of files in which, with all that they import, there is no word of concurrency; and those ask for something in the file itself.
In doubt, because a file cannot be read or its syntax is another Python's, the answer is yes, and the whole analysis decides.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from threadlint.checking.everywhere import lends, may_match
from threadlint.config import Config
from threadlint.facts.screen import concerns
from threadlint.facts.source import SourceError, contents, decode, python_tree
from threadlint.loading.card import is_ambient
from threadlint.modules import Modules

_CODED = re.compile(r"noqa[^\r\n]*tl\d", re.IGNORECASE)
"""A comment of which TL001 may say that it silences nothing; those in our own words are words of concurrency."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a look at a file tells: whether it may count as one with concurrency, and the files that it imports."""

    says: bool
    leads_to: tuple[Path, ...] = ()


@dataclass(slots=True)
class Glance:
    """Looks at each imported file once, and takes it to stay as it is."""

    config: Config
    _modules: Modules = field(init=False)
    _seen: dict[Path, _Seen] = field(default_factory=dict)
    _quiet: set[Path] = field(default_factory=set)
    """files that say nothing of concurrency, with all that they import"""

    def __post_init__(self) -> None:
        """Look modules up apart from those who link: they remember by which folder a file was reached."""
        self._modules = Modules(self.config)

    def nothing_to_say(self, path: Path, data: bytes, tree: ast.AST) -> bool:
        """Whether it is certain that nothing is found in the file of this content; `tree` is what Python's parser makes of it."""
        try:
            text = decode(data, str(path)).text
        except SourceError:
            return False
        if self.config.thread_roots or _CODED.search(text) or may_match(text, tree, self.config):
            return False
        own = self._look(path, text, tree)
        return not own.says and self._are_quiet(own.leads_to)

    def _are_quiet(self, paths: Iterable[Path]) -> bool:
        passed: set[Path] = set()
        waiting = list(paths)
        while waiting:
            path = waiting.pop()
            if path in passed or path in self._quiet:
                continue
            seen = self._seen.get(path)
            if seen is None:
                seen = self._seen[path] = self._read(path)
            if seen.says:
                return False
            passed.add(path)
            waiting.extend(seen.leads_to)
        self._quiet |= passed
        return True

    def _read(self, path: Path) -> _Seen:
        try:
            return self._look(path, decode(contents(path), str(path)).text)
        except (SourceError, SyntaxError, ValueError, RecursionError, MemoryError):
            return _Seen(says=True)

    def _look(self, path: Path, text: str, tree: ast.AST | None = None) -> _Seen:
        if concerns(text) or is_ambient(text) or lends(text):
            return _Seen(says=True)
        imported = dict.fromkeys(_imported(tree or python_tree(text))) if "import" in text else ()
        found = (other for name in imported for other in self._modules.files(name, path))
        return _Seen(says=False, leads_to=tuple(dict.fromkeys(found)))


def _imported(tree: ast.AST) -> Iterator[str]:
    """The dotted names that the file imports, anywhere in it, as `FileFacts.imports` has them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield module
            for alias in node.names:
                yield f"{module}{'' if module.endswith('.') else '.'}{alias.name}"
