"""What the process that the user started has found, for the processes that flake8 starts anew and not by `fork`.

They parse the options again and know nothing else. A file tells them, and a variable of the environment tells where it is; it is
removed when the first process ends. Whatever is wrong with it, the others do without.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
from contextlib import suppress
from typing import Any

VARIABLE = "THREADLINT_FLAKE8"


def needed() -> bool:
    """Whether processes are started in another way than by `fork`, which takes along what this one knows."""
    # The first is the default.
    method = multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]
    return method != "fork"


def leave(named: list[str], value: Any) -> None:
    """Write it down for the processes that this one will start; `named` is what flake8 was told to check."""
    import json
    import tempfile

    try:
        handle, path = tempfile.mkstemp(prefix="threadlint-", suffix=".json")
        atexit.register(_remove, path)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            json.dump([os.getpid(), named, value], file)
    except OSError:
        return
    os.environ[VARIABLE] = path


def take(named: list[str]) -> Any:
    """What the process that started this one has written for the same files; None where there is nothing."""
    path, parent = os.environ.get(VARIABLE), multiprocessing.parent_process()
    if path is None or parent is None:
        return None
    import json

    try:
        with open(path, encoding="ascii") as file:  # noqa: PTH123 nothing else here needs pathlib
            process, wanted, value = json.load(file)
    except (OSError, ValueError, TypeError):
        return None
    return value if (process, wanted) == (parent.pid, named) else None


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)  # noqa: PTH108 as above
