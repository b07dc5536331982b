"""The rules' codes and names, remembered: to import the rules is to import the whole analysis."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from threadlint.cache.fingerprint import findings_code, key
from threadlint.cache.store import Store


class Listed(msgspec.Struct, frozen=True, array_like=True):
    """What selection needs to know of a rule."""

    code: str
    name: str
    default: bool
    free_threaded: bool


_ENCODER = msgspec.msgpack.Encoder()
_LISTS = msgspec.msgpack.Decoder(tuple[Listed, ...])


def catalogue(store: Store) -> Mapping[str, Listed]:
    """Every rule by code, in the order of the codes."""
    stored = key("rules", findings_code())
    data = store.get(stored)
    if data is not None:
        try:
            return {one.code: one for one in _LISTS.decode(data)}
        except msgspec.MsgspecError:
            pass
    from threadlint.rules.rule import all_rules

    found = {rule.code: Listed(rule.code, rule.name, rule.default, rule.free_threaded) for rule in all_rules().values()}
    store.put(stored, _ENCODER.encode(tuple(found.values())))
    return found
