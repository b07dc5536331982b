"""Whether threadlint's time grows faster than the code: CPU time per line and memory on trees of several sizes.

Usage: python benchmarks/scale.py FOLDER... [--lines 100000,400000,1600000,5000000] [--seed 1] [--work DIR] [--jobs 1]

Each FOLDER holds unpacked packages side by side, one in each folder in it, as `pip install --no-deps --target FOLDER/NAME NAME` puts them.
Packages are drawn at random until the tree has its size, so that all trees are of the same mixture; one that alone is more than a third of
a tree is not drawn. Each tree is linted cold, with a cache of its own. What is measured is CPU time, user and system, and the peak of
resident memory of one process.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

COLD = ("--exit-zero", "--output-format", "concise")


def size(folder: Path) -> int:
    """Lines of Python in the folder."""
    return sum(file.read_bytes().count(b"\n") for file in folder.rglob("*.py") if file.is_file())


def draw(packages: dict[Path, int], lines: int, seed: int) -> list[Path]:
    """Packages that have about so many lines together; fewer where there are no more."""
    order = sorted(packages)
    random.Random(seed).shuffle(order)
    chosen: list[Path] = []
    total = 0
    for package in order:
        more = packages[package]
        if more and more <= lines / 3 and total + more <= lines * 1.02:
            chosen.append(package)
            total += more
    return chosen


def lay(chosen: list[Path], tree: Path) -> None:
    """Copy the packages into a fresh tree that looks like a project."""
    shutil.rmtree(tree, ignore_errors=True)
    for number, package in enumerate(chosen):
        shutil.copytree(package, tree / f"{number:03}_{package.name}", ignore=_no_code)
    (tree / "pyproject.toml").write_text("[tool.threadlint]\n", encoding="utf-8")


def _no_code(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not name.endswith(".py") and not (Path(folder) / name).is_dir()]


def measure(tree: Path, jobs: str) -> tuple[float, int]:
    """Seconds of CPU time, and MiB at most in one process. A process of its own asks: the peak is of all children so far."""
    code = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], capture_output=True, check=False)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "sys.stderr.write(done.stderr.decode(errors='replace')[-2000:] if done.returncode not in (0, 2) else '')\n"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss)\n"
    )
    lint = (sys.executable, "-m", "threadlint", *COLD, "--jobs", jobs, ".")
    done = subprocess.run([sys.executable, "-c", code, *lint], cwd=tree, stdout=subprocess.PIPE, text=True, check=True)
    seconds, peak = done.stdout.split()
    return float(seconds), int(peak) // (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, KiB elsewhere


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--lines", default="100000,400000,1600000,5000000")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", default="1")
    parser.add_argument("--work", type=Path, default=Path(__file__).parents[1] / "build" / "scale")
    options = parser.parse_args()
    packages = {one: size(one) for folder in options.folders for one in folder.iterdir() if one.is_dir()}
    tree = options.work.absolute() / "tree"
    print(
        f"{os.cpu_count()} processors, Python {sys.version.split()[0]}; {len(packages)} packages to draw from",
        flush=True,
    )
    for lines in map(int, options.lines.split(",")):
        chosen = draw(packages, lines, options.seed)
        lay(chosen, tree)
        real = size(tree)
        seconds, peak = measure(tree, options.jobs)
        print(
            f"{real:>9,} lines, {len(chosen):3} packages: {seconds:7.1f} s, {seconds / real * 1e6:5.1f} us per line, {peak} MiB at most",
            flush=True,
        )
    shutil.rmtree(tree, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
