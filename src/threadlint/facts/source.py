"""Bytes of a file -> text -> syntax tree, and a clear message for everything that can be wrong with them."""

from __future__ import annotations

import codecs
import contextlib
import re
import sys
import threading
import warnings
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from threadlint.facts.respelling import respelled

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable
    from pathlib import Path

    # Imported where a file is parsed: a run that remembers all its files must not pay for LibCST.
    import libcst as cst

    from threadlint.facts.outline import Outline

P = ParamSpec("P")
T = TypeVar("T")

MAX_BRACKETS = 200
"""CPython reads no more levels than this: MAXLEVEL in Parser/tokenizer.h (3.10) to Parser/lexer/state.h (3.14)."""
MAX_PATTERN = 8
"""LibCST 1.9 needs time exponential in the nesting of brackets in a pattern, 2 to 4 times as much for each level."""
MAX_DEPTH = 3200
"""LibCST 1.9 needs up to 4 s for a chain of this length, and time grows with the square or worse."""
SHALLOW = 60
"""Up to this depth the usual stack (512 KiB on threads of macOS) and the usual recursion limit suffice."""
STACK_SIZES = (512 * 2**20, 64 * 2**20)
"""Bytes; only what is used of it takes memory. The second is for where so much address space is not to be had."""
RECURSION_LIMIT = 100_000
_LINE_END = re.compile(rb"\r\n|\r|\n")
_COOKIE = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_CODE = re.compile(rb"[ \t\f]*[^#\s]")
DEEP_THREAD = "threadlint-deep"
ROOMY_THREAD = "threadlint-reader"
"""Who gives a thread this name, with or without a number, also gives it a stack of `ROOM` bytes, as a main thread has."""
ROOM = 8 * 2**20
_DEEP = threading.Lock()


class SourceError(Exception):
    """A file that cannot be read or parsed. Line and column count from 1, columns in characters."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message, line, column)
        self.message = message
        self.line = line
        self.column = column

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.message}"


@dataclass(frozen=True)
class Source:
    """A file as it was read.

    `name` is how the user knows it; `text` is decoded, without byte order mark, with the line ends of the file;
    `digest` is the BLAKE2b hash of its bytes.
    """

    name: str
    text: str
    digest: bytes

    @cached_property
    def outline(self) -> Outline:
        """Brackets, comments and logical lines."""
        from threadlint.facts.outline import outline  # noqa: PLC0415 as LibCST

        return outline(self.text)


def read(path: Path, name: str) -> Source:
    """Read and decode a file; raises `SourceError`."""
    return decode(contents(path), name)


def contents(path: Path) -> bytes:
    """The bytes of a file; raises `SourceError`."""
    try:
        return path.read_bytes()
    except IsADirectoryError:
        raise SourceError("this is a folder, not a file") from None
    except PermissionError:
        raise SourceError("no permission to read this file") from None
    except FileNotFoundError:
        raise SourceError("no such file (any more)") from None
    except OSError as error:
        raise SourceError(f"cannot be read: {(error.strerror or str(error)).lower()}") from None


def decode(data: bytes, name: str) -> Source:
    """Decode as PEP 263 says: byte order mark, else coding cookie, else UTF-8; raises `SourceError`."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SourceError("the file is UTF-16, which Python does not read; save it as UTF-8")
    zero = data.find(b"\0")
    if zero >= 0:
        raise SourceError("null byte: this is not Python source", *_byte_place(data, zero))
    encoding, line = encoding_of(data)
    try:
        text = data.decode(encoding)
        text.encode()  # lone surrogates, which some codecs let through, are not text
    except UnicodeDecodeError as error:
        shown = f"byte 0x{data[error.start]:02x}" if error.start < len(data) else "the file"
        advice = "; say which encoding it is with a coding cookie" if encoding.startswith("utf-8") else ""
        raise SourceError(f"{shown} is not {encoding}{advice}", *_byte_place(data, error.start)) from None
    except (LookupError, ValueError):
        raise SourceError(f"the file is not text in the encoding that it declares, `{encoding}`", line) from None
    return Source(name, text, blake2b(data, digest_size=20).digest())


def encoding_of(data: bytes) -> tuple[str, int]:
    """The codec of the file, and the line that names it; raises `SourceError` for one that Python would not take.

    The same whatever Python runs this: `tokenize.detect_encoding` has changed what it refuses.
    """
    marked = data.startswith(codecs.BOM_UTF8)
    for line, text in enumerate(_LINE_END.split(data.removeprefix(codecs.BOM_UTF8), maxsplit=2)[:2], 1):
        found = _COOKIE.match(text)
        if found is not None:
            codec = _usual_name(found[1].decode())
            try:
                codecs.lookup(codec)
            except LookupError:
                raise SourceError(f"unknown encoding: {codec} in the coding cookie", line) from None
            if marked and codec != "utf-8":  # nor `utf8`, for Python
                raise SourceError("the coding cookie contradicts the UTF-8 byte order mark", line)
            return "utf-8-sig" if marked else codec, line
        if _CODE.match(text):
            break
    return "utf-8-sig" if marked else "utf-8", 1


def _usual_name(codec: str) -> str:
    """Python's names for what editors call otherwise, such as `utf-8-unix`."""
    start = codec[:12].lower().replace("_", "-") + "-"
    if start.startswith("utf-8-"):
        return "utf-8"
    if start.startswith(("latin-1-", "iso-8859-1-", "iso-latin-1-")):
        return "iso-8859-1"
    return codec


def _byte_place(data: bytes, offset: int) -> tuple[int, int]:
    before = data[:offset].removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")
    lines = re.split(r"\r\n|\r|\n", before)
    return len(lines), len(lines[-1]) + 1


def parse(source: Source) -> cst.Module:
    """The syntax tree of a file; raises `SourceError` for syntax errors and for what is nested too deeply."""
    found = source.outline
    if found.brackets > MAX_BRACKETS:
        raise SourceError("too many nested brackets", *found.place(found.where))
    if found.patterns > MAX_PATTERN:
        raise SourceError("this pattern is nested too deeply", *found.place(found.pattern))
    if found.depth > MAX_DEPTH:
        raise SourceError("this expression is nested too deeply", *found.place(found.where))
    return run_deep(_parse, source)


def _parse(source: Source) -> cst.Module:
    import libcst as cst  # noqa: PLC0415 see above

    try:
        return cst.parse_module(source.text)
    except (cst.ParserSyntaxError, cst.CSTLogicError) as error:
        found = _parse_respelled(source.text)
        if found is None:
            raise _syntax_error(source, error) from None
        return found


def _parse_respelled(text: str) -> cst.Module | None:
    """What a text is to Python 3.14, or to 3.6, where LibCST not knowing that is all that is wrong with it."""
    import libcst as cst  # noqa: PLC0415 see above

    newer = respelled(text)
    if newer != text:
        with contextlib.suppress(cst.ParserSyntaxError, cst.CSTLogicError):
            return cst.parse_module(newer)
    if "async" in text or "await" in text:
        from threadlint.facts.old_names import parse_old  # noqa: PLC0415 as LibCST

        with contextlib.suppress(cst.ParserSyntaxError, cst.CSTLogicError):
            return parse_old(text)
    return None


def _syntax_error(source: Source, error: cst.ParserSyntaxError | cst.CSTLogicError) -> SourceError:
    """What Python says of the same text, which reads better and points better; else where LibCST gave up."""
    import libcst as cst  # noqa: PLC0415 see above

    try:
        python_tree(source.text)
    except SyntaxError as said:
        reason = (said.msg or "invalid syntax").removeprefix("(unicode error) ")
        return SourceError(f"syntax error: {reason[:1].lower()}{reason[1:]}", said.lineno or 1, said.offset or 1)
    except (ValueError, RecursionError, MemoryError):
        message = "syntax error"
    else:
        message = "LibCST, which reads the files for threadlint, does not know this syntax"
    if isinstance(error, cst.CSTLogicError):  # its parser has found a mistake in itself, and says nothing of the text
        return SourceError(message)
    where = re.search(r"error at (\d+):(\d+)", error.message)
    line, column = (int(where[1]), int(where[2]) + 1) if where else (error.editor_line, error.editor_column)
    return SourceError(message, line, column)


def python_tree(text: str) -> ast.Module:
    """What Python's own parser makes of a text. Raises what `ast.parse` raises; what it would warn of is not said."""
    import ast  # noqa: PLC0415 as LibCST

    # Several threads read files only where there is no GIL, and at worst one more warning is said then.
    with warnings.catch_warnings():  # threadlint: ignore[TL111] at worst a warning too many
        warnings.simplefilter("ignore")
        return ast.parse(text)


def has_room() -> bool:
    """Whether the stack of this thread is large enough for what Python's recursion limits let through."""
    thread = threading.current_thread()
    return thread is threading.main_thread() or thread.name.startswith(ROOMY_THREAD)


def run_deep(function: Callable[Concatenate[Source, P], T], source: Source, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function(source, ...)`, on a thread with a large stack where the source is nested deeply.

    Raises what the function raises, and `SourceError` where even the large stack does not suffice.
    """
    if source.outline.depth <= SHALLOW:
        return function(source, *args, **kwargs)
    try:
        return on_deep_stack(lambda: function(source, *args, **kwargs))
    except (RecursionError, MemoryError):
        raise SourceError("this is nested too deeply", *source.outline.place(source.outline.where)) from None


def on_deep_stack(function: Callable[[], T]) -> T:
    """Call the function on a thread with a large stack and under a high recursion limit; raises what it raises."""
    if threading.current_thread().name == DEEP_THREAD:
        return function()
    outcome: list[T] = []
    failure: list[BaseException] = []

    def body() -> None:
        try:
            outcome.append(function())
        except BaseException as error:  # noqa: BLE001 raised again in the thread that asked
            failure.append(error)

    with _DEEP:  # the size of stacks and the recursion limit belong to the process
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(limit, RECURSION_LIMIT))
        try:
            _start(body).join()
        finally:
            sys.setrecursionlimit(limit)
    if failure:
        raise failure[0]
    return outcome[0]


def _start(body: Callable[[], None]) -> threading.Thread:
    for size in STACK_SIZES:
        usual = threading.stack_size(size)
        try:
            thread = threading.Thread(target=body, name=DEEP_THREAD)
            thread.start()
        except RuntimeError:  # no room for the stack
            continue
        finally:
            threading.stack_size(usual)
        return thread
    raise MemoryError
