"""What is done to one file, in this process or in a worker: bytes in, bytes out."""

from __future__ import annotations

import os

from threadlint.cache.fingerprint import facts_code
from threadlint.facts import model
from threadlint.facts.extract import extract
from threadlint.facts.form import form
from threadlint.facts.screen import concerns
from threadlint.facts.source import SourceError, decode, run_deep
from threadlint.loading.card import DEBUG, Card, Made, described, encode, is_ambient
from threadlint.loading.workers import ExecutorError


def work(data: bytes, name: str, code: bytes) -> bytes:
    """The facts of a file, as an encoded `Made`; `code` is `facts_code()` of the one who asks."""
    if code != facts_code():
        raise ExecutorError("it has another version of threadlint, LibCST or Python than this process")
    try:
        source = decode(data, name)
        facts = extract(source)
        encoded = run_deep(lambda _: model.encode(facts), source)
    except SourceError as error:
        return encode(Made(Card(error=(error.message, error.line, error.column))))
    except BaseException as error:
        # What LibCST's native parser raises when it gives up is no Exception.
        if os.environ.get(DEBUG) or not (isinstance(error, Exception) or type(error).__name__ == "PanicException"):
            raise
        return encode(Made(Card(), mistake=described(error)))
    card = Card(facts.imports, facts.suppressions, is_ambient(source.text), form(source.text), concerns(source.text))
    return encode(Made(card, encoded))
