"""Which findings a comment silences; comments that silence nothing are findings too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from threadlint.facts.comments import Suppression
from threadlint.findings import Finding, Site
from threadlint.rules.meta.unused_suppression import unused_suppression

Use = tuple[int, str]
"""A comment, by its number in its file, and a code in it, empty for all codes."""


def suppress(
    findings: Iterable[Finding],
    suppressions: Mapping[str, Sequence[Suppression]],
    active: Callable[[str], bool],
    known: Iterable[str],
) -> list[Finding]:
    """The findings that no comment silences, then one TL001 for each code in a comment that silences nothing.

    `suppressions` holds the comments of each file by its path as in `Site.path`; `known` holds the codes of all rules, and `active` tells which have
    run: of the others nobody knows whether a comment silences them.
    """
    used: dict[str, set[Use]] = {path: set() for path in suppressions}
    kept = [finding for finding in findings if not _silenced(finding, suppressions, used)]
    unused = [
        finding
        for path, comments in suppressions.items()
        for finding in _unused(path, comments, used[path], active, known, about_itself=False)
    ]
    kept.extend(finding for finding in unused if not _silenced(finding, suppressions, used))
    for path, comments in suppressions.items():
        kept.extend(_unused(path, comments, used[path], active, known, about_itself=True))
    return kept


def _silenced(finding: Finding, suppressions: Mapping[str, Sequence[Suppression]], used: dict[str, set[Use]]) -> bool:
    """Whether a comment silences the finding; all comments that do are noted in `used`."""
    path = finding.site.path
    uses = {
        (number, code)
        for number, comment in enumerate(suppressions.get(path, ()))
        if comment.first <= finding.site.line <= comment.last
        for code in ([""] if comment.blanket else comment.codes)
        if finding.code.startswith(code)
    }
    used.get(path, set()).update(uses)
    return bool(uses)


def _unused(
    path: str,
    comments: Sequence[Suppression],
    used: set[Use],
    active: Callable[[str], bool],
    known: Iterable[str],
    *,
    about_itself: bool,
) -> Iterator[Finding]:
    """TL001 for what a file's comments name in vain: the code TL001 itself, or all the others."""
    own = unused_suppression.code
    for number, comment in enumerate(comments):
        for code in dict.fromkeys(comment.codes):
            ours = code.startswith("TL") or comment.kind == "ignore"
            if not ours or (number, code) in used or (code == own) is not about_itself:
                continue
            meant = [rule for rule in known if rule.startswith(code)]
            if not meant:
                yield _finding(
                    path, comment, f"`{code}` is not a code of threadlint, so this comment does not silence it"
                )
            elif all(map(active, meant)):
                yield _finding(path, comment, f"`{code}` does not occur here, so this comment silences nothing")


def _finding(path: str, comment: Suppression, message: str) -> Finding:
    rule = unused_suppression
    return Finding(
        code=rule.code,
        name=rule.name,
        message=message,
        site=Site(path, comment.line, comment.column, comment.line, comment.end_column),
        severity=rule.severity,
        confidence=rule.confidence,
        url=rule.url,
    )
