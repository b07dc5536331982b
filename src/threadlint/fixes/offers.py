"""What the fix of each finding changes, remembered as long as the file and what the rule asks for stay the same.

A rule asks for a fix by what facts say; whether the code is of a shape that can be changed, only its syntax tree tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from threadlint.cache.fingerprint import fixes_code, key
from threadlint.cache.store import MemoryStore, Store
from threadlint.facts.source import Source, SourceError
from threadlint.findings import Edit, Finding, Fix, Report

Offer = tuple[Fix | None, tuple[Edit, ...]]

_ENCODER = msgspec.msgpack.Encoder()
_OFFERS = msgspec.msgpack.Decoder(list[Offer])


def offered(report: Report, store: Store | None = None) -> Report:
    """The report with what each fix changes; a fix that cannot be made here is left out."""
    store = MemoryStore() if store is None else store
    wanted: dict[str, list[Finding]] = {}
    for finding in report.findings:
        if finding.fix is not None:
            wanted.setdefault(finding.fix.path, []).append(finding)
    offers: dict[Finding, Offer] = {}
    for path, findings in wanted.items():
        if path in report.sources:
            offers.update(zip(findings, _offers(path, report.sources[path], findings, store), strict=True))
    return replace(report, findings=tuple(_with_offer(finding, offers) for finding in report.findings))


def _with_offer(finding: Finding, offers: dict[Finding, Offer]) -> Finding:
    fix, edits = offers.get(finding, (None, ()))
    return replace(finding, fix=fix, edits=edits)


def _offers(path: str, text: str, findings: Sequence[Finding], store: Store) -> list[Offer]:
    asked = _ENCODER.encode([finding.fix for finding in findings])
    stored = key("offers", fixes_code(), text.encode(), asked)
    data = store.get(stored)
    if data is not None:
        try:
            return _OFFERS.decode(data)
        except msgspec.MsgspecError:
            pass
    from threadlint.fixes.attempt import described  # noqa: PLC0415 LibCST is dear, and what is remembered needs it not

    try:
        offers = [(one.fix, one.edits) for one in described(Source(path, text, b""), findings)]
    except SourceError:
        offers = [(None, ()) for _ in findings]
    store.put(stored, _ENCODER.encode(offers))
    return offers
