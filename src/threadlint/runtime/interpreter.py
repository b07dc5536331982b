"""Checks that an interpreter can carry the engine, before it is blamed for anything else."""

from __future__ import annotations

import subprocess

OLDEST = (3, 10)
PROBE = "import sys; print(sys.implementation.name, *sys.version_info[:2])"
PATIENCE = 20
"""Seconds for an interpreter to start."""


def problem_with(python: str) -> str | None:
    """Why this interpreter cannot be used, None if it can: it must be CPython 3.10 or newer."""
    try:
        answer = subprocess.run(  # noqa: S603  # the interpreter that the user named
            [python, "-c", PROBE],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        return f"`{python}` cannot be started: {(error.strerror or str(error)).lower()}"
    except subprocess.TimeoutExpired:
        return f"`{python}` does not answer"
    words = answer.stdout.split()
    if answer.returncode or len(words) != 3 or not (words[1] + words[2]).isdigit():
        return f"`{python}` is not a Python interpreter"
    version = (int(words[1]), int(words[2]))
    if words[0] != "cpython" or version < OLDEST:
        return f"`{python}` is {words[0]} {version[0]}.{version[1]}; a CPython of at least 3.10 is needed"
    return None
