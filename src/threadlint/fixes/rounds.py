"""Fixing by rounds: make fixes, lint again, and keep only what takes away its finding and brings no other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

from threadlint.facts.outline import NEWLINE
from threadlint.facts.source import SourceError, decode
from threadlint.findings import Finding, Report
from threadlint.fixes.attempt import alternatives, attempt, reads
from threadlint.fixes.files import encoded
from threadlint.fixes.outcome import Fixed, Refusal

Lint = Callable[[Mapping[str, bytes]], Report]
"""Lints with these contents, by path, in place of those on the disk."""
Key = tuple[str, str]

ROUNDS = 100
"""How often fixes are made before it is given up; each round but the last makes at least one or refuses one for good."""

AROUND = 3
"""Lines before and after a finding by which it is known again."""


@dataclass(frozen=True)
class _Batch:
    """Fixes made in one file, which belong together until they have been tried."""

    data: bytes
    before: str
    text: str
    findings: tuple[Finding, ...]


@dataclass
class _State:
    contents: dict[str, bytes]
    changed: dict[str, bytes] = field(default_factory=dict)
    fixed: list[Finding] = field(default_factory=list)
    refusals: dict[tuple[str, ...], Refusal] = field(default_factory=dict)
    hopeless: set[tuple[str, ...]] = field(default_factory=set)
    limits: dict[str, int] = field(default_factory=dict)


def fix(lint: Lint, *, unsafe: bool, contents: Mapping[str, bytes] | None = None) -> Fixed:
    """Make the safe fixes, or with `unsafe` all, until there are none left; nothing is written.

    `contents` are those of files that are not read from the disk. A fix that would not compile, that leaves its finding, or after
    which there is a finding that was not there before, is not made.
    """
    state = _State(dict(contents or {}))
    report = lint({})
    for _ in range(ROUNDS):
        batches = dict(_batches(report, state, unsafe=unsafe))
        if not batches:
            return _result(report, state, settled=True)
        report = _try(lint, report, batches, state)
    return _result(report, state, settled=False)


def _result(report: Report, state: _State, *, settled: bool) -> Fixed:
    return Fixed(
        report,
        {path: state.contents[path] for path in state.changed},
        state.changed,
        tuple(state.fixed),
        tuple(state.refusals.values()),
        settled,
    )


def _batches(report: Report, state: _State, *, unsafe: bool) -> Iterator[tuple[str, _Batch]]:
    """For each file, the fixes to try next."""
    wanted: dict[str, list[list[Finding]]] = {}
    for finding in report.findings:
        possible = [
            one
            for one in alternatives(finding)
            if one.fix is not None and (unsafe or one.fix.safe) and _identity(one, report) not in state.hopeless
        ]
        if finding.fix is not None and possible:
            wanted.setdefault(finding.fix.path, []).append(possible)
    for path, findings in wanted.items():
        try:
            if path not in state.contents:
                state.contents[path] = Path(path).read_bytes()
            data = state.changed.get(path, state.contents[path])
            source = decode(data, path)
            if source.text != report.sources.get(path):  # it has changed since it was linted
                continue
            tried = attempt(source, findings, state.limits.get(path, len(findings)))
            new = encoded(tried.text, state.contents[path])
        except (OSError, SourceError, UnicodeEncodeError):
            continue
        if tried.made:
            yield path, _Batch(new, source.text, tried.text, tried.made)


def _try(lint: Lint, before: Report, batches: dict[str, _Batch], state: _State) -> Report:
    """Lint with the batches made, drop those that do harm until none is left that does, and keep the others."""
    harmful = {
        path: "the changed file would not compile"
        for path, batch in batches.items()
        if batch.text == batch.before or not reads(batch.before, batch.text)
    }
    while True:
        for path, reason in harmful.items():
            _blame(path, batches.pop(path), reason, before, state)
        if not batches:
            return before
        changed = state.changed | {path: batch.data for path, batch in batches.items()}
        after = lint(changed)
        harmful = {}
        for path, reason in _harm(before, after, batches):
            harmful.setdefault(path, reason)
        if not harmful:
            state.changed = changed
            state.fixed += [finding for batch in batches.values() for finding in batch.findings]
            state.limits = {path: limit * (2 if path in batches else 1) for path, limit in state.limits.items()}
            return after


def _blame(path: str, batch: _Batch, reason: str, before: Report, state: _State) -> None:
    """Try half of the batch next time, or nothing of it any more where it was only one."""
    count = len(batch.findings)
    state.limits[path] = max(count // 2, 1)
    if count == 1:
        (finding,) = batch.findings
        identity = _identity(finding, before)
        state.hopeless.add(identity)
        state.refusals[identity] = Refusal(finding, reason)


def _harm(before: Report, after: Report, batches: Mapping[str, _Batch]) -> Iterator[tuple[str, str]]:
    """The batches that must not be kept, by path, each with the reason."""
    told = Counter(before.failures)
    for failure in after.failures:
        if failure not in told:
            blamed = [failure.path] if failure.path in batches else list(batches)
            yield from ((path, f"then {failure.message}") for path in blamed)
    gone = _counted(one for batch in batches.values() for one in batch.findings)
    shown = _counted(one for path, batch in batches.items() for one in _uncovered(path, batch, before, after))
    old, new = _counted(before.findings), _counted(after.findings)
    for path, batch in batches.items():
        for one in batch.findings:
            key = (one.site.path, *_key(one))
            if new[key] > old[key] - gone[key] + shown[key]:
                yield path, f"{one.code} would still be found"
    old_codes, gone_codes, shown_codes, new_codes = map(_by_code, (old, gone, shown, new))
    for place, count in new_codes.items():
        if count > old_codes[place] - gone_codes[place] + shown_codes[place]:
            news = [one for one in after.findings if (one.site.path, one.code) == place]
            for path in _suspects(place[0], news, batches):
                yield path, f"{place[1]} would be found instead"


def _uncovered(path: str, batch: _Batch, before: Report, after: Report) -> Iterator[Finding]:
    """Findings that were there before, but unsaid because of one that is fixed now: some rules report one place at a time.

    They have the code of one that is fixed, and stand in a line that is as it was.
    """
    codes = {one.code for one in batch.findings}
    said = {(one.code, one.site.line) for one in before.findings if one.site.path == path}
    candidates = [one for one in after.findings if one.site.path == path and one.code in codes]
    if not candidates:
        return
    old, new = NEWLINE.split(batch.before), NEWLINE.split(batch.text)
    lines: dict[int, int] = {}
    for block in SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
        lines |= {block.b + number + 1: block.a + number + 1 for number in range(block.size)}
    for one in candidates:
        was = lines.get(one.site.line)
        if was is not None and (one.code, was) not in said:
            yield one


def _suspects(path: str, news: Iterable[Finding], batches: Mapping[str, _Batch]) -> Iterator[str]:
    """The changed files that may have brought the findings in a file."""
    if path in batches:
        yield path
        return
    places = {related.site.path for one in news for related in (*one.related, *one.why)}
    for changed, batch in batches.items():
        if changed in places or any(one.site.path == path for one in batch.findings):
            yield changed


def _counted(findings: Iterable[Finding]) -> Counter[tuple[str, str, str]]:
    return Counter((one.site.path, *_key(one)) for one in findings)


def _by_code(keys: Counter[tuple[str, str, str]]) -> Counter[tuple[str, str]]:
    counted: Counter[tuple[str, str]] = Counter()
    for (path, code, _), count in keys.items():
        counted[path, code] += count
    return counted


def _key(finding: Finding) -> Key:
    """What stays of a finding when lines move."""
    return finding.code, re.sub(r"\d+", "#", finding.message)


def _identity(finding: Finding, report: Report) -> tuple[str, ...]:
    """What a finding is known by while the lines of its file move: its message, and the lines around it."""
    lines = report.sources.get(finding.site.path, "").splitlines()
    around = lines[max(finding.site.line - AROUND - 1, 0) : finding.site.line + AROUND]
    kind = finding.fix.change.value if finding.fix else ""
    return (finding.site.path, *_key(finding), kind, *(line.strip() for line in around))
