"""How long threadlint takes beside other tools on pinned public packages: cold, warm, and with one file changed.

Usage: python benchmarks/speed.py [--only PART[,PART]] [--packages NAME[,NAME]] [--repeat 3] [--write] [--work DIR]

Run it with the Python that threadlint is installed for. It downloads the packages and installs the other tools into DIR, once. What is measured
is the CPU time, user and system, of a process and all its children, the least of `--repeat` runs (long ones run once); the table
gives it as a multiple of ruff's, measured in the same run. Parts: ruff, cold, warm, changed, comment, small,
version, compile, flake8, pylint, alone, plugin-cold, plugin-warm, quiet-alone, quiet-plugin.
`--write` puts the table into README.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from threadlint.checking.glance import Glance
from threadlint.config import Config

ROOT = Path(__file__).parents[1]
PACKAGES = {"celery": "5.4.0", "sqlalchemy": "2.0.36"}
TOOLS = ("ruff==0.14.6", "flake8==7.3.0", "flake8-bugbear==25.11.29", "flake8-async==25.7.1", "pylint==4.0.3")
LONG = 20.0
"""Seconds: what takes longer is measured once."""
START, END = "<!-- speed: written by benchmarks/speed.py -->", "<!-- speed: end -->"
RACE = ROOT / "fixtures" / "material" / "race.py"


@dataclass(frozen=True)
class Part:
    """One row: what is run, and what is done before each run."""

    title: str
    command: Sequence[str]
    before: Callable[[], object] = lambda: None
    folder: Path | None = None


def cpu(part: Part, folder: Path) -> float:
    """The CPU time of one run, in seconds."""
    part.before()
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(part.command, cwd=part.folder or folder, capture_output=True, check=False)
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in {0, 1, 2, 4, 6, 20, 28, 30} or b"Traceback" in done.stderr:
        sys.exit(f"{' '.join(part.command)} failed:\n{done.stderr.decode(errors='replace')[-2000:]}")
    return end.ru_utime - start.ru_utime + end.ru_stime - start.ru_stime


def least(part: Part, folder: Path, repeat: int) -> float:
    """The least CPU time of several runs."""
    best = cpu(part, folder)
    for _ in range(repeat - 1 if best < LONG else 0):
        best = min(best, cpu(part, folder))
    return best


def download(packages: dict[str, str], work: Path) -> Path:
    """The packages' Python files, unpacked side by side in a folder that looks like a project."""
    code = work / "-".join(["code", *(f"{name}{version}" for name, version in sorted(packages.items()))])
    if not code.exists():
        wheels, fresh = work / "wheels", work / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        for name, version in packages.items():
            subprocess.run(
                [
                    *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"),
                    *("--platform", "any", "--python-version", "3.12", "--dest", str(wheels), f"{name}=={version}"),
                ],
                check=True,
            )
            (wheel,) = [file for file in wheels.glob("*.whl") if file.name.lower().startswith(f"{name}-{version}-")]
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(fresh, [member for member in archive.namelist() if member.endswith(".py")])
        (fresh / "pyproject.toml").write_text("[tool.threadlint]\n", encoding="utf-8")
        fresh.rename(code)
    return code


def tools(work: Path) -> Path:
    """The folder of the other tools' commands."""
    folder = work / "tools"
    bin_folder = folder / ("Scripts" if os.name == "nt" else "bin")
    if not (bin_folder / "pylint").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([bin_folder / "pip", "install", "--quiet", "--disable-pip-version-check", *TOOLS], check=True)
    return bin_folder


def parts(code: Path, bin_folder: Path, work: Path) -> dict[str, Part]:
    """The rows by name, in the order in which they are measured."""
    lint = [sys.executable, "-m", "threadlint", "--exit-zero", "--output-format", "concise"]
    cache, changed = code / ".threadlint_cache", _largest(code)
    small = work / "small"
    small.mkdir(exist_ok=True)
    shutil.copy(RACE, small / "race.py")
    flake8 = [sys.executable, "-m", "flake8", "--isolated", "-j", "1"]
    others = ["--select=C90,E,F,W", "."]
    quiet = quiet_part(code, work)
    edits = iter(range(10**6))

    def edit() -> None:
        with changed.open("a", encoding="utf-8") as file:
            file.write(f"\n\ndef _added_{next(edits)}(a):\n    return a\n")

    def remark() -> None:
        with changed.open("a", encoding="utf-8") as file:
            file.write(f"# remark {next(edits)}\n")

    return {
        "ruff": Part("ruff, without its cache", [str(bin_folder / "ruff"), "check", "--no-cache", "--quiet", "."]),
        "cold": Part("threadlint, cold", [*lint, "--jobs", "1", "."], lambda: shutil.rmtree(cache, ignore_errors=True)),
        "warm": Part("threadlint, warm", [*lint, "."]),
        "changed": Part("threadlint, warm, a function added to one file", [*lint, "."], edit),
        "comment": Part("threadlint, warm, a comment added to one file", [*lint, "."], remark),
        "small": Part("threadlint, warm, one small file", [*lint, "race.py"], folder=small),
        "version": Part("`threadlint --version`", [sys.executable, "-m", "threadlint", "--version"]),
        "compile": Part("`python -m compileall -f`", [sys.executable, "-m", "compileall", "-f", "-q", "."]),
        "flake8": Part(
            "flake8 with bugbear and flake8-async", [str(bin_folder / "flake8"), "--isolated", "-j", "1", "."]
        ),
        "pylint": Part(
            "pylint, its threading check alone",
            [
                str(bin_folder / "pylint"),
                *("--disable=all", "--enable=useless-with-lock", "-j", "1", "--recursive=y", "."),
            ],
        ),
        "alone": Part("flake8", [*flake8, *others]),
        "plugin-cold": Part(
            "flake8 with threadlint, cold", [*flake8, "."], lambda: shutil.rmtree(cache, ignore_errors=True)
        ),
        "plugin-warm": Part("flake8 with threadlint, warm", [*flake8, "."]),
        "quiet-alone": Part("flake8, the files without concurrency", [*flake8, *others], folder=quiet),
        "quiet-plugin": Part("flake8 with threadlint, the files without concurrency", [*flake8, "."], folder=quiet),
    }


def quiet_part(code: Path, work: Path) -> Path:
    """A copy of those files that say nothing of concurrency and import none that do."""
    folder = work / "quiet"
    shutil.rmtree(folder, ignore_errors=True)
    config = Config(root=code)
    for file in sorted(code.rglob("*.py")):
        glance = Glance(config)
        glance.look([str(file)])
        if not glance.telling:
            copy = folder / file.relative_to(code)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    shutil.copy(code / "pyproject.toml", folder)
    return folder


def _largest(code: Path) -> Path:
    """The file to change: the one in the middle by size among those that import threading."""
    users = [file for file in code.rglob("*.py") if "import threading" in file.read_text("utf-8", "replace")]
    users.sort(key=lambda file: (file.stat().st_size, file))
    return users[len(users) // 2]


def processor() -> str:
    """What the machine calls its processor."""
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def table(found: dict[str, tuple[str, float]], lines: int, packages: dict[str, str]) -> str:
    """The result in Markdown."""
    base = found.get("ruff", ("", 0.0))[1]
    rows = [
        f"| {title} | {seconds:.2f} s | {f'{seconds / base:.1f} x' if base else ''} |"
        for title, seconds in found.values()
    ]
    names = ", ".join(f"{name} {version}" for name, version in packages.items())
    when = datetime.now(tz=timezone.utc).date().isoformat()
    python = platform.python_version()
    return "\n".join(
        (
            f"CPU time of all processes together on {names} ({lines:,} lines), and as a multiple of ruff's in the same run;",
            f"{when}, Python {python}, {processor()}, {os.cpu_count()} processors:",
            "",
            "| | CPU time | beside ruff |",
            "|---|---:|---:|",
            *rows,
        )
    )


def main() -> int:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="PARTS", help="measure only these parts (ruff always)")
    parser.add_argument("--packages", default=",".join(PACKAGES), help="lint only these packages")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "speed")
    options = parser.parse_args()
    work = options.work.absolute()
    packages = {name: PACKAGES[name] for name in options.packages.split(",")}
    pristine = download(packages, work)
    bin_folder = tools(work)
    code = work / "measured"
    shutil.rmtree(code, ignore_errors=True)
    shutil.copytree(pristine, code)
    lines = sum(file.read_bytes().count(b"\n") for file in code.rglob("*.py"))
    chosen = set(options.only.split(",")) if options.only else set()
    found: dict[str, tuple[str, float]] = {}
    time.sleep(2.1)  # files that have just been written are not trusted by their times
    for name, part in parts(code, bin_folder, work).items():
        if not chosen or name == "ruff" or name in chosen:
            if name in {"warm", "changed", "comment", "small", "plugin-warm"}:
                cpu(Part("", part.command, folder=part.folder), code)  # fills the cache
            found[name] = (part.title, least(part, code, options.repeat))
            print(f"{found[name][1]:8.2f} s  {part.title}", flush=True)
    text = table(found, lines, packages)
    print(f"\n{text}")
    if options.write:
        file = ROOT / "README.md"
        readme = file.read_text(encoding="utf-8")
        before, _, rest = readme.partition(START)
        _, _, after = rest.partition(END)
        file.write_text(f"{before}{START}\n{text}\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
