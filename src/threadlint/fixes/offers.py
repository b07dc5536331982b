"""What the fixes of a report change, remembered: to try them is to parse their files with LibCST."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec

from threadlint.cache.fingerprint import fixes_code, key
from threadlint.cache.store import Store
from threadlint.findings import Edit, Finding, Report

_ENCODER = msgspec.msgpack.Encoder()
_EDITS = msgspec.msgpack.Decoder(tuple[Edit, ...])


def offered(report: Report, store: Store) -> Report:
    """The report with what each fix changes; a fix that cannot be made here is left out."""
    keys = {finding: _key(finding, report.sources) for finding in report.findings if finding.fix is not None}
    known = {finding: edits for finding, stored in keys.items() if (edits := _remembered(stored, store)) is not None}
    missing = [finding for finding in keys if finding not in known]
    if missing:
        from threadlint.fixes.attempt import with_edits  # noqa: PLC0415 it imports LibCST

        tried = with_edits(replace(report, findings=tuple(missing)))
        for before, after in zip(missing, tried.findings, strict=True):
            known[before] = after.edits
            store.put(keys[before], _ENCODER.encode(after.edits))
    return replace(report, findings=tuple(_changing(report, known)))


def _changing(report: Report, known: dict[Finding, tuple[Edit, ...]]) -> Iterator[Finding]:
    for finding in report.findings:
        edits = known.get(finding, ())
        yield replace(finding, fix=finding.fix if edits else None, edits=edits)


def _key(finding: Finding, sources: dict[str, str]) -> bytes:
    text = sources.get(finding.fix.path, "") if finding.fix else ""
    return key("edits", fixes_code(), _ENCODER.encode(finding.fix), text.encode())


def _remembered(stored: bytes, store: Store) -> tuple[Edit, ...] | None:
    data = store.get(stored)
    try:
        return None if data is None else _EDITS.decode(data)
    except msgspec.MsgspecError:
        return None
