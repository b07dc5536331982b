"""The findings of one part: remembered where the same rules have seen the same facts under the same configuration, else made."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from threadlint.cache.fingerprint import findings_code, key
from threadlint.cache.store import Store
from threadlint.checking.parts import Part
from threadlint.checking.portable import LinesOf, from_forms, to_forms
from threadlint.config import Config
from threadlint.facts.form import Lines, lines
from threadlint.facts.source import SourceError, decode, on_deep_stack
from threadlint.findings import Failure, Finding, Problem
from threadlint.loading.load import Loaded, mistake
from threadlint.loading.remembered import content, facts_of
from threadlint.modules import Modules

if TYPE_CHECKING:
    from threadlint.project.project import Project
    from threadlint.rules.rule import Rule

_APPLIED_OUTSIDE = frozenset(
    {
        "root", "source", "select", "extend_select", "ignore", "exclude", "per_file_ignores", "force_exclude",
        "respect_gitignore", "src", "cache_dir",
    }
)  # fmt: skip
"""Fields of the configuration that decide which files are read, under which names, and which rules run: the rest of a key tells that."""

GARBAGE = 5000
"""Files that may have been linked before cycles are looked for, where nobody else does."""
_ENCODER = msgspec.msgpack.Encoder()
_FINDINGS = msgspec.msgpack.Decoder(tuple[Finding, ...])


@dataclass(slots=True)
class Checker:
    """Checks the parts of one run; `rules` gives the rules with the codes in `codes`, and is asked only if they must run."""

    config: Config
    modules: Modules
    store: Store
    codes: tuple[str, ...]
    rules: Callable[[], Sequence[Rule]]
    failures: list[Failure] = field(default_factory=list)
    _linked: Project | None = None
    _garbage: int = 0

    def findings(self, part: Part) -> tuple[Finding, ...]:
        """What the rules say of the part's files."""
        stored = self._key(part, lambda one: one.digest)
        found = self._remembered(stored)
        if found is None:
            alike = self._key(part, lambda one: one.card.form or one.digest)
            found = self._alike(part, alike)
            if found is None:
                before = len(self.failures)
                found = tuple(self._made(part))
                if len(self.failures) > before:
                    return found
                with suppress(ValueError, SourceError):
                    self.store.put(alike, _ENCODER.encode(to_forms(found, self._lines(part))))
            self.store.put(stored, _ENCODER.encode(found))
        return found

    def _let_go(self, files: int) -> None:
        """Before more files are linked, let go of those that were. What a project has found out refers to the project: without its answers there are hardly any cycles left."""
        if self._linked is not None:
            vars(self._linked).clear()
            self._linked = None
        if self._garbage > GARBAGE and not gc.isenabled():
            gc.collect()
            self._garbage = 0
        self._garbage += files

    def _alike(self, part: Part, stored: bytes) -> tuple[Finding, ...] | None:
        """What has been found in files that differ from these in comments and blank lines alone."""
        found = self._remembered(stored)
        try:
            return None if found is None else from_forms(found, self._lines(part))
        except (ValueError, SourceError):
            return None

    def _lines(self, part: Part) -> LinesOf:
        files = {one.file.name: one for one in part.files}

        @cache
        def of(path: str) -> Lines:
            one = files.get(path)
            if one is None or not one.card.form:
                raise ValueError(path)
            return lines(decode(content(one), path).text)

        return of

    def _key(self, part: Part, hashed: Callable[[Loaded], bytes]) -> bytes:
        settings = [
            f"{one.name}={getattr(self.config, one.name)!r}"
            for one in fields(self.config)
            if one.name not in _APPLIED_OUTSIDE
        ]
        inputs = [text.encode() for text in (*settings, *self.codes)]
        inputs.append(",".join(sorted(part.switches)).encode())
        for one in part.files:
            names = (one.file.name, self.modules.name(one.file.path))
            inputs += [*(name.encode("utf-8", "surrogateescape") for name in names), hashed(one)]
        return key("findings", findings_code(), *inputs)

    def _remembered(self, stored: bytes) -> tuple[Finding, ...] | None:
        data = self.store.get(stored)
        if data is None:
            return None
        try:
            return _FINDINGS.decode(data)
        except msgspec.MsgspecError:
            return None

    def _made(self, part: Part) -> Iterator[Finding]:
        from threadlint.project.project import link

        told = part.concerned or bool(self.config.thread_roots)
        rules = [rule for rule in self.rules() if told or rule.everywhere]
        if not rules:
            return
        self._let_go(len(part.files))
        try:
            # Not longer than that: another run may be waiting to write.
            with self.store.reading():
                files = [
                    (one.file.name, self.modules.name(one.file.path), facts_of(one, self.store)) for one in part.files
                ]
        except SourceError as error:
            self.failures.append(Failure("", 0, 0, error.message))
            return
        try:
            # What a value is may be asked along more calls than the usual stack is good for.
            project = self._linked = on_deep_stack(lambda: link(files, self.config, part.switches))
            said = on_deep_stack(lambda: dict.fromkeys(self._said(rules, project)))
        except Exception as error:  # noqa: BLE001 one mistake of ours must not lose what else is known
            self.failures.append(mistake("", "linking the files", error))
            return
        own = {one.file.name for one in part.files}
        yield from sorted((finding for finding in said if finding.site.path in own), key=lambda found: found.sort_key)

    def _said(self, rules: Sequence[Rule], project: Project) -> Iterator[Finding]:
        for rule in rules:
            try:
                for problem in rule.check(project):
                    yield _finding(rule, problem)
            except Exception as error:  # noqa: BLE001 see _made
                self.failures.append(mistake("", rule.code, error))


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
