"""The pipeline, on one page: files -> facts -> project -> rules -> suppression -> report."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from threadlint.config import Config
from threadlint.discovery import SourceFile, discover
from threadlint.facts.extract import extract
from threadlint.facts.model import FileFacts
from threadlint.facts.source import SourceError, decode, read
from threadlint.findings import Failure, Finding, Problem, Report
from threadlint.modules import Modules
from threadlint.project.project import Project, link
from threadlint.rules.rule import Rule
from threadlint.selection import covers, ignored_in_file, selected
from threadlint.suppress import suppress

STDIN = "-"
REPORT_AT = "https://github.com/threadlint/threadlint/issues"
DEBUG = "THREADLINT_DEBUG"
"""When this environment variable is set, a mistake of our own ends the run with its traceback."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    file: SourceFile
    text: str
    facts: FileFacts


def lint(
    paths: Sequence[str],
    config: Config,
    *,
    stdin: tuple[str, bytes] | None = None,
    progress: Callable[[int, int], None] | None = None,
    honour_noqa: bool = True,
    remembered: MutableMapping[bytes, FileFacts] | None = None,
    changed: Mapping[str, bytes] | None = None,
) -> Report:
    """Lint the files that `paths` mean, in the context of the first-party modules that they import.

    `stdin` is the name and the content of a file given by other means, which stands for what is on the disk under that
    name. `progress` is told how many files have been read, of how many known so far. Without `honour_noqa`, only
    `# threadlint: ignore` comments silence findings. `remembered` keeps facts by `Source.digest` for further calls. `changed` holds by
    name what stands for the content of files on the disk. Never raises for what a file holds: what could not be done is in
    `Report.failures`.
    """
    found = discover([path for path in paths if path != STDIN], config)
    named = list(found.files)
    given = {Path(os.path.abspath(name)): data for name, data in (changed or {}).items()}  # noqa: PTH100 as below
    if stdin is not None:
        file = SourceFile(Path(os.path.abspath(stdin[0])), stdin[0])  # noqa: PTH100 Path.absolute keeps `..`
        named = [file, *(other for other in named if other.path != file.path)]
        given.setdefault(file.path, stdin[1])
    modules = Modules(config)
    failures = list(found.failures)
    loaded = _load(named, given, modules, progress, failures, {} if remembered is None else remembered)
    rules = selected(config)
    findings: list[Finding] = []
    if loaded:
        files = [(one.file.name, modules.name(one.file.path), one.facts) for one in loaded]
        try:
            project = link(files, config)
        except Exception as error:  # noqa: BLE001 one mistake of ours must not lose what else is known
            failures.append(_internal("", "linking the files", error))
        else:
            findings = list(_check(rules, project, failures))
    by_name = {file.name: file for file in named}
    findings = [_changing(finding, by_name) for finding in set(findings) if finding.site.path in by_name]
    kept = _silence(findings, loaded, by_name, {one.code for one in rules}, config, honour_noqa=honour_noqa)
    kept.sort(key=lambda finding: finding.sort_key)
    texts = {one.file.name: one.text for one in loaded}
    return Report(tuple(kept), tuple(sorted(failures)), len(named), _quoted(kept, texts))


def linked(
    paths: Sequence[str], config: Config, *, progress: Callable[[int, int], None] | None = None
) -> tuple[Project | None, tuple[Failure, ...], int]:
    """The project that `paths` mean, for questions that are no rule's; what could not be done; and how many files were named.

    None instead of the project where there is nothing to link.
    """
    found = discover(paths, config)
    modules = Modules(config)
    failures = list(found.failures)
    loaded = _load(found.files, {}, modules, progress, failures, {})
    project = (
        link([(one.file.name, modules.name(one.file.path), one.facts) for one in loaded], config) if loaded else None
    )
    return project, tuple(sorted(failures)), len(found.files)


def _load(
    named: Sequence[SourceFile],
    given: dict[Path, bytes],
    modules: Modules,
    progress: Callable[[int, int], None] | None,
    failures: list[Failure],
    remembered: MutableMapping[bytes, FileFacts],
) -> list[_Loaded]:
    """Read the named files and, transitively, what they import.

    A file that is only imported and cannot be read is left out in silence: it was not asked for, and linting it says why.
    """
    loaded: list[_Loaded] = []
    waiting = list(named)
    known = {file.path for file in named}
    for number, file in enumerate(waiting):  # grows while it is walked
        if progress:
            progress(number, len(waiting))
        try:
            source = decode(given[file.path], file.name) if file.path in given else read(file.path, file.name)
            facts = remembered.get(source.digest) or extract(source)
            remembered[source.digest] = facts
        except SourceError as error:
            if number < len(named):
                failures.append(Failure(file.name, error.line, error.column, error.message))
            continue
        except Exception as error:  # noqa: BLE001 see lint
            failures.append(_internal(file.name, "reading this file", error))
            continue
        loaded.append(_Loaded(file, source.text, facts))
        for imported in facts.imports:
            for path in modules.files(imported, file.path):
                if path not in known:
                    known.add(path)
                    waiting.append(SourceFile(path, _shown(path)))
    return loaded


def _check(rules: Iterable[Rule], project: Project, failures: list[Failure]) -> Iterator[Finding]:
    for rule in rules:
        try:
            for problem in rule.check(project):
                yield _finding(rule, problem)
        except Exception as error:  # noqa: BLE001 see lint
            failures.append(_internal("", rule.code, error))


def _silence(
    findings: list[Finding],
    loaded: Sequence[_Loaded],
    by_name: dict[str, SourceFile],
    active: set[str],
    config: Config,
    *,
    honour_noqa: bool,
) -> list[Finding]:
    """What comments and `per-file-ignores` leave of the findings, with those about comments that silence nothing."""
    comments = {
        one.file.name: [comment for comment in one.facts.suppressions if honour_noqa or comment.kind != "noqa"]
        for one in loaded
        if one.file.name in by_name
    }
    ignored = {name: ignored_in_file(file.path, config) for name, file in by_name.items()}
    return [
        finding
        for finding in suppress(findings, comments, active.__contains__)
        if finding.code in active and not any(covers(code, finding.code) for code in ignored[finding.site.path])
    ]


def _finding(rule: Rule, problem: Problem) -> Finding:
    return Finding(
        code=rule.code,
        name=rule.name,
        message=problem.message,
        site=problem.site,
        severity=problem.severity or rule.severity,
        confidence=problem.confidence or rule.confidence,
        url=rule.url,
        related=problem.related,
        builds=problem.builds,
        oracle=rule.oracle if problem.provable else None,
        partners=problem.partners,
        why=problem.why,
        fix=problem.fix,
    )


def _changing(finding: Finding, named: Container[str]) -> Finding:
    """The finding, without its fix where that changes a file that nobody named."""
    return finding if finding.fix is None or finding.fix.path in named else replace(finding, fix=None)


def _quoted(findings: Iterable[Finding], texts: dict[str, str]) -> dict[str, str]:
    """The texts that the findings point into."""
    places = {finding.site.path for finding in findings}
    places |= {finding.fix.path for finding in findings if finding.fix}
    places |= {related.site.path for finding in findings for related in (*finding.related, *finding.why)}
    return {path: texts[path] for path in sorted(places) if path in texts}


def _shown(path: Path) -> str:
    """A file that nobody named, as a user in the current folder would name it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _internal(path: str, doing: str, error: Exception) -> Failure:
    if os.environ.get(DEBUG):
        raise error
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    first = reason.splitlines()[0]
    return Failure(path, 0, 0, f"internal error in {doing}: {first}; please report it at {REPORT_AT}")
