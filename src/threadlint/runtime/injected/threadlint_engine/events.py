"""What the child tells the parent: lines of JSON at the end of a private file.

A file rather than a pipe: it survives a program that closes all descriptors, a crash, and a reader that is
slow, and several processes of one run may write to it, each line in one `write`.
"""

from __future__ import annotations

import json
import os
import traceback
from typing import Any


class Events:
    """The open end of the private file; `send` never raises and never blocks."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._pid = os.getpid()
        self._open = os.open
        self._write = os.write
        self._close = os.close
        self._dumps = json.dumps
        self.muted = False

    def send(self, event: str, **fields: Any) -> None:
        """Append one event; nothing is sent once the process was forked."""
        if self.muted:
            return
        line = self._dumps({"event": event, "pid": self._pid, **fields}, default=repr) + "\n"
        try:
            handle = self._open(self._path, os.O_WRONLY | os.O_APPEND)
        except OSError:
            return
        try:
            self._write(handle, line.encode("utf-8", "backslashreplace"))
        except OSError:
            pass
        finally:
            self._close(handle)

    def error(self, where: str) -> None:
        """Report an error of the engine itself, with its traceback; the program goes on."""
        self.send("error", where=where, text=traceback.format_exc(limit=12))
