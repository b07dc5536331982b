"""What is done to one file, in this process or in a worker: bytes in, bytes out."""

from __future__ import annotations

import gc
import os
from contextlib import suppress

from threadlint.cache.fingerprint import facts_code
from threadlint.facts import model
from threadlint.facts.ambient import is_ambient, switches
from threadlint.facts.extract import extract
from threadlint.facts.form import form
from threadlint.facts.screen import concerns
from threadlint.facts.source import Source, SourceError, decode, has_room, run_deep
from threadlint.loading.card import DEBUG, Card, Made, described, encode
from threadlint.loading.workers import ExecutorError

GARBAGE = 300_000
"""Objects that may wait to be collected where nobody else does it."""


def work(data: bytes, name: str, code: bytes) -> bytes:
    """The facts of a file, as an encoded `Made`; `code` is `facts_code()` of the one who asks."""
    if code != facts_code():
        raise ExecutorError("it has another version of threadlint, LibCST or Python than this process")
    try:
        return encode(_made(data, name))
    finally:
        # Hardly anything of a file is left in cycles; to look for them takes as long as reading ten files.
        if gc.get_count()[0] > GARBAGE and not gc.isenabled():
            gc.collect()


def _made(data: bytes, name: str) -> Made:
    try:
        source = decode(data, name)
        facts = extract(source)
        encoded = _encoded(facts, source)
    except SourceError as error:
        return Made(Card(error=(error.message, error.line, error.column)))
    except BaseException as error:
        # What LibCST's native parser raises when it gives up is no Exception.
        if os.environ.get(DEBUG) or not (isinstance(error, Exception) or type(error).__name__ == "PanicException"):
            raise
        return Made(Card(), mistake=described(error))
    text = source.text
    on = switches(facts) if is_ambient(text) else ()
    return Made(Card(facts.imports, facts.suppressions, on, form(text), concerns(text)), encoded)


def _encoded(facts: model.FileFacts, source: Source) -> bytes:
    if has_room():  # so nobody needs to know how deep the text is
        with suppress(RecursionError):
            return model.encode(facts)
    return run_deep(lambda _: model.encode(facts), source)
