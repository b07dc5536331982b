"""The pipeline, on one page: files -> facts -> parts -> findings -> suppression -> report."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from threadlint.cache.store import MemoryStore, Store
from threadlint.checking.catalogue import catalogue
from threadlint.checking.check import Checker
from threadlint.checking.parts import parts
from threadlint.config import Config
from threadlint.discovery import SourceFile, discover
from threadlint.facts.source import SourceError, contents, decode
from threadlint.findings import Failure, Finding, Report
from threadlint.loading.load import Loaded, Loader
from threadlint.loading.remembered import facts_of
from threadlint.loading.workers import Workers
from threadlint.modules import Modules
from threadlint.selection import covers, ignored_in_file, selected
from threadlint.suppress import suppress

if TYPE_CHECKING:
    from threadlint.project.project import Project
    from threadlint.rules.rule import Rule

STDIN = "-"


def lint(
    paths: Sequence[str],
    config: Config,
    *,
    stdin: tuple[str, bytes] | None = None,
    progress: Callable[[int, int], None] | None = None,
    honour_noqa: bool = True,
    changed: Mapping[str, bytes] | None = None,
    store: Store | None = None,
    workers: Workers | None = None,
) -> Report:
    """Lint the files that `paths` mean, in the context of the first-party modules that they import.

    `stdin` is the name and the content of a file given by other means, which stands for what is on the disk under that
    name. `progress` is told how many files have been read, of how many known so far. Without `honour_noqa`, only
    `# threadlint: ignore` comments silence findings. `changed` holds by name what stands for the content of files on the disk. `store` remembers facts and findings for further calls; `workers` read the files,
    this process alone where none are given. Never raises for what a file holds: what could not be done is in `Report.failures`.
    Raises ExecutorError where the workers cannot be had.
    """
    store = MemoryStore() if store is None else store
    found = discover([path for path in paths if path != STDIN], config)
    named = list(found.files)
    given = {Path(os.path.abspath(name)): data for name, data in (changed or {}).items()}  # noqa: PTH100 as below
    if stdin is not None:
        file = SourceFile(Path(os.path.abspath(stdin[0])), stdin[0])  # noqa: PTH100 Path.absolute keeps `..`
        named = [file, *(other for other in named if other.path != file.path)]
        given.setdefault(file.path, stdin[1])
    modules = Modules(config)
    loader = Loader(given, modules, store, workers or Workers(), progress)
    loader.load(named)
    rules = catalogue(store)
    codes = tuple(one.code for one in selected(config, rules))
    checker = Checker(config, modules, store, codes, lambda: _rules(codes))
    by_name = {file.name: file for file in named}
    findings = [
        _changing(finding, by_name)
        for part in sorted(parts(loader.loaded), key=lambda one: len(one.files))  # nothing is linked after the largest
        if any(one.file.name in by_name for one in part.files)
        for finding in checker.findings(part)
        if finding.site.path in by_name
    ]
    loaded = [loader.loaded[file.path] for file in named if file.path in loader.loaded]
    kept = _silence(findings, loaded, codes, rules, config, honour_noqa=honour_noqa)
    kept.sort(key=lambda finding: finding.sort_key)
    failures = {*found.failures, *loader.failures, *checker.failures}
    return Report(tuple(kept), tuple(sorted(failures)), len(named), _quoted(kept, loader))


def linked(
    paths: Sequence[str],
    config: Config,
    *,
    progress: Callable[[int, int], None] | None = None,
    store: Store | None = None,
    workers: Workers | None = None,
) -> tuple[Project | None, tuple[Failure, ...], int]:
    """The project that `paths` mean, for questions that are no rule's; what could not be done; and how many files were named.

    None instead of the project where there is nothing to link.
    """
    store = MemoryStore() if store is None else store
    found = discover(paths, config)
    modules = Modules(config)
    loader = Loader({}, modules, store, workers or Workers(), progress)
    loader.load(found.files)
    failures = tuple(sorted({*found.failures, *loader.failures}))
    if not loader.loaded:
        return None, failures, len(found.files)
    from threadlint.project.project import link

    with store.reading():
        files = [
            (one.file.name, modules.name(path), facts_of(one, store)) for path, one in sorted(loader.loaded.items())
        ]
    on = frozenset(name for one in loader.loaded.values() for name in one.card.switches)
    return link(files, config, on), failures, len(found.files)


def _changing(finding: Finding, named: Container[str]) -> Finding:
    """The finding, without its fix where that changes a file that nobody named."""
    return finding if finding.fix is None or finding.fix.path in named else replace(finding, fix=None)


def _rules(codes: Iterable[str]) -> list[Rule]:
    from threadlint.rules.rule import all_rules

    return [all_rules()[code] for code in codes]


def _silence(
    findings: Sequence[Finding],
    loaded: Sequence[Loaded],
    codes: Iterable[str],
    known: Iterable[str],
    config: Config,
    *,
    honour_noqa: bool,
) -> list[Finding]:
    """What comments and `per-file-ignores` leave of the findings, with those about comments that silence nothing."""
    comments = {
        one.file.name: [comment for comment in one.card.suppressions if honour_noqa or comment.kind != "noqa"]
        for one in loaded
    }
    active = frozenset(codes)
    ignored = {one.file.name: ignored_in_file(one.file.path, config) for one in loaded}
    return [
        finding
        for finding in suppress(findings, comments, active.__contains__, known)
        if finding.code in active and not any(covers(code, finding.code) for code in ignored[finding.site.path])
    ]


def _quoted(findings: Iterable[Finding], loader: Loader) -> dict[str, str]:
    """The texts that the findings point into."""
    places = {finding.site.path for finding in findings}
    places |= {finding.fix.path for finding in findings if finding.fix}
    places |= {related.site.path for finding in findings for related in (*finding.related, *finding.why)}
    files = {one.file.name: one.file.path for one in loader.loaded.values()}
    texts: dict[str, str] = {}
    for name in sorted(places & files.keys()):
        path = files[name]
        try:
            texts[name] = decode(loader.given.get(path) or contents(path), name).text
        except SourceError:  # it has changed since it was linted, so that there is nothing right to show
            continue
    return texts
