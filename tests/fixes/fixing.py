"""What the tests of changes share: a program with all its fixes made."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from threadlint.config import Config
from threadlint.engine import lint
from threadlint.fixes.rounds import fix


def fixed(text: str, code: str) -> str:
    """The text with all fixes of the rule made; each must take, and a second run must find nothing to do."""

    def run(changed):
        return lint(["-"], Config(root=Path.cwd(), select=(code,)), stdin=("a.py", text.encode()), changed=changed)

    done = fix(run, unsafe=True, contents={"a.py": text.encode()})
    assert done.refusals == ()
    after = done.after.get("a.py", text.encode())
    compile(after, "a.py", "exec")
    again = fix(lambda changed: run({"a.py": after} | changed), unsafe=True, contents={"a.py": after})
    assert (again.fixed, again.after) == ((), {})
    return after.decode()


def program(head: str, text: str, tail: str) -> str:
    return head + dedent(text).lstrip("\n") + tail
