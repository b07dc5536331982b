"""Loads the flagged files with their statements split: as imported modules, or as the script itself."""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType, ModuleType

    Rewriter = Callable[[str, ast.Module, str], ast.Module]


class Loader(importlib.machinery.SourceFileLoader):
    """A source loader that neither reads nor writes compiled files, and rewrites before it compiles."""

    def __init__(self, fullname: str, path: str, rewriter: Rewriter) -> None:
        super().__init__(fullname, path)
        self.rewriter = rewriter

    def get_code(self, fullname: str) -> CodeType:
        """The code of the module; also what `python -m` asks for."""
        path = self.get_filename(fullname)
        return compile_file(path, self.get_data(path), self.rewriter)


def compile_file(path: str, data: bytes, rewriter: Rewriter) -> CodeType:
    """Compile the bytes of a file with its statements split."""
    tree = ast.parse(data, path)
    text = importlib.util.decode_source(data)
    return compile(rewriter(text, tree, path), path, "exec", dont_inherit=True)


class Finder(importlib.abc.MetaPathFinder):
    """Finds modules as usual, and takes the loading of flagged files over."""

    def __init__(self, files: frozenset[str], rewriter: Rewriter) -> None:
        self.files = files
        self.names = frozenset(os.path.basename(path) for path in files)
        self.rewriter = rewriter

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The module's own spec with our loader if its file is flagged, else None: the next finder is asked."""
        last = fullname.rpartition(".")[2]
        if f"{last}.py" not in self.names and "__init__.py" not in self.names:
            return None
        # The plain one first: pytest's finder would keep its own loader. Then those that editable installs put in.
        others = [
            finder for finder in sys.meta_path if finder is not self and finder is not importlib.machinery.PathFinder
        ]
        for finder in (importlib.machinery.PathFinder, *others):
            find = getattr(finder, "find_spec", None)
            spec = find(fullname, path, target) if find is not None else None
            if spec is None or not isinstance(spec.loader, importlib.machinery.SourceFileLoader):
                continue
            if spec.origin and os.path.realpath(spec.origin) in self.files:
                spec.loader = Loader(fullname, spec.origin, self.rewriter)
                spec.cached = None
                return spec  # type: ignore[no-any-return]
        return None


class First(list):  # type: ignore[type-arg]  # sys.meta_path holds finders of several protocols
    """A `sys.meta_path` whose first entry stays first: pytest puts its own rewriting in front otherwise."""

    def insert(self, index: Any, value: Any) -> None:
        """Insert behind the first entry at the earliest."""
        super().insert(max(index, 1) if index >= 0 else index, value)


def install(files: frozenset[str], rewriter: Rewriter) -> None:
    """Put the finder in front of all others."""
    sys.meta_path = First([Finder(files, rewriter), *sys.meta_path])
