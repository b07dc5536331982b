"""The facts of a file that has been loaded, from where they are kept."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from threadlint.cache.fingerprint import SIZE
from threadlint.cache.store import Store
from threadlint.facts.source import SourceError, contents, decode, on_deep_stack
from threadlint.loading.load import Loaded, facts_key

if TYPE_CHECKING:
    from threadlint.facts.model import FileFacts


def facts_of(one: Loaded, store: Store) -> FileFacts:
    """The facts of the file. Raises SourceError where they are lost and the file has changed meanwhile."""
    from threadlint.facts import model

    data = store.get(facts_key(one.digest))
    if data is not None:
        try:
            return model.decode(data)
        except RecursionError:
            return on_deep_stack(lambda: model.decode(data))
        except msgspec.MsgspecError:
            pass
    from threadlint.facts.extract import extract

    # The card was made without them, or the cache has lost them.
    return extract(decode(content(one), one.file.name))


def content(one: Loaded) -> bytes:
    """The bytes of the file. Raises SourceError where they have changed since it was loaded."""
    data = contents(one.file.path)
    if blake2b(data, digest_size=SIZE).digest() != one.digest:
        raise SourceError(f"{one.file.name} has changed while it was linted")
    return data
