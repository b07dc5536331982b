"""Objects whose attributes each thread has for itself."""

from __future__ import annotations

from threadlint.project.names.things import Object
from threadlint.project.names.types import Types

_CLASSES = ("threading.local", "_thread._local")


def is_thread_local(types: Types, thing: object) -> bool:
    """Whether the object is a `threading.local`, or of a class that derives from it."""
    if not isinstance(thing, Object):
        return False
    return thing.type in _CLASSES if isinstance(thing.type, str) else types.derives(thing.type, _CLASSES)
