"""What a run needs to know of every file, even where all its findings are remembered."""

from __future__ import annotations

import msgspec

from threadlint.facts.comments import Suppression

DEBUG = "THREADLINT_DEBUG"
"""When this environment variable is set, a mistake of our own ends the run with its traceback."""


class Card(msgspec.Struct, frozen=True, array_like=True):
    """The imports that lead to other files, the comments that silence findings, and why there are no facts (`error`)."""

    imports: tuple[str, ...] = ()
    suppressions: tuple[Suppression, ...] = ()
    switches: tuple[str, ...] = ()
    """the settings that it turns on and that tell for the whole program that a framework uses threads"""
    form: bytes = b""
    """the hash of what is left without comments and blank lines; empty where they mean something"""
    concerns: bool = False
    """whether it has a word of concurrency in it"""
    error: tuple[str, int, int] | None = None
    """message, line and column"""


class Made(msgspec.Struct, frozen=True, array_like=True):
    """What a worker makes of a file: its card and its encoded facts, or the mistake of ours that kept it from that."""

    card: Card
    facts: bytes = b""
    mistake: str = ""


_CARDS = msgspec.msgpack.Decoder(Card)
_MADE = msgspec.msgpack.Decoder(Made)
_ENCODER = msgspec.msgpack.Encoder()


def encode(value: Card | Made) -> bytes:
    """The value in MessagePack."""
    return _ENCODER.encode(value)


def decode_card(data: bytes) -> Card:
    """The reverse of `encode`; raises `msgspec.MsgspecError` for anything else."""
    return _CARDS.decode(data)


def decode_made(data: bytes) -> Made:
    """The reverse of `encode`; raises `msgspec.MsgspecError` for anything else."""
    return _MADE.decode(data)


def described(error: BaseException) -> str:
    """An exception that is nobody's fault but ours, in one line."""
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return reason.splitlines()[0]
