"""Forms of a mistake that are reported only where the rule is selected: other linters say them, or they are often meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from threadlint.config import Config
from threadlint.engine import lint

SLEEP = """
import asyncio
import time


async def main() -> None:
    time.sleep(1)


asyncio.run(main())
"""
ENDING = """
import asyncio
import threading

thread = threading.Thread(target=print)


async def close() -> None:
    thread.join()


asyncio.run(close())
"""
TASKS = """
import asyncio


class Page:
    def __init__(self) -> None:
        self.seen = 0
        self.ready = False
        self.title = None

    async def load(self) -> None:
        {body}


async def main() -> None:
    page = Page()
    await asyncio.gather(*(page.load() for _ in range(3)))


asyncio.run(main())
"""
CARRIED = TASKS.format(body="seen = self.seen; await asyncio.sleep(0); self.seen = seen + 1")
FLAG = TASKS.format(
    body="""if not self.ready:
            await asyncio.sleep(0)
            self.ready = True"""
)
PLAIN = TASKS.format(
    body="""if self.title is None:
            self.title = await asyncio.sleep(0, "title")"""
)
CACHED = TASKS.format(
    body="""key = str(self.title)
        if key not in KEPT:
            KEPT[key] = await asyncio.sleep(0, "title")"""
).replace("class Page", "KEPT = {}\n\n\nclass Page")
REGISTERED = CACHED.replace('await asyncio.sleep(0, "title")', "await self.other()").replace(
    "    async def load", "    async def other(self) -> Page:\n        return Page()\n\n    async def load"
)
DIRECT = TASKS.format(body="self.seen += await asyncio.sleep(0, 1)")


def reported(text: str, tmp_path: Path, *select: str) -> set[str]:
    report = lint((), Config(root=tmp_path, select=select), stdin=(str(tmp_path / "program.py"), text.encode()))
    return {finding.code for finding in report.findings}


@pytest.mark.parametrize(
    ("code", "text"),
    [("TL703", SLEEP), ("TL703", ENDING), ("TL702", CARRIED), ("TL702", FLAG), ("TL702", PLAIN), ("TL702", CACHED)],
    ids=["sleep", "ending", "carried", "flag", "plain", "cached"],
)
def test_a_quiet_form_is_reported_where_its_rule_is_selected(code: str, text: str, tmp_path: Path) -> None:
    assert code not in reported(text, tmp_path)
    assert code in reported(text, tmp_path, code)
    assert code in reported(text, tmp_path, "TL7")


def test_the_plain_form_is_reported_by_default(tmp_path: Path) -> None:
    assert "TL702" in reported(DIRECT, tmp_path)
    assert "TL702" in reported(REGISTERED, tmp_path)
