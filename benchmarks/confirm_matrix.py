"""Every program of fixtures/confirm many times on several interpreters: how often is the verdict right, how long does it take.

Usage: python benchmarks/confirm_matrix.py [--times 20] [--only PREFIX] [--verbose] PYTHON...
Prints a table with one row per program; exits with 1 if a program without a mistake was ever confirmed, or if less
than 99 % of the runs on programs with one confirmed it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

from threadlint.cli.confirm import oracle_of
from threadlint.findings import Site
from threadlint.runtime.confirm import attempt
from threadlint.runtime.trial import Options, Program, Trial

CASES = Path(__file__).parents[1] / "fixtures" / "confirm"
ENOUGH = 0.99


def trial_of(path: Path, code: str) -> Trial:
    """The trial of the first line marked FLAG."""
    lines = path.read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, start=1) if "# FLAG" in text)
    name, oracle = oracle_of(code)
    return Trial(code, name, oracle, Site(str(path), line, 0, line, 0))


def main() -> int:
    """Run the matrix; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pythons", nargs="+", metavar="PYTHON")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--only", default="")
    parser.add_argument("--verbose", action="store_true", help="print every verdict that is not as expected")
    options = parser.parse_args()
    expected = json.loads((CASES / "expected.json").read_text(encoding="utf-8"))
    cases = {name: case for name, case in expected.items() if name.startswith(options.only)}
    print(f"{'program':26} {'interpreter':28} {'right':>9} {'median':>8} {'worst':>8}")
    hits = tries = false = 0
    seconds: list[float] = []
    for name, case in cases.items():
        trial = trial_of(CASES / f"{name}.py", case["code"])
        for python in options.pythons:
            times, right = [], 0
            for _ in range(options.times):
                verdict = attempt(Program(Path(trial.site.path)), trial, Options(python))
                times.append(verdict.seconds)
                good = verdict.kind == case["kind"] and not verdict.tier.is_failure
                right += good
                if options.verbose and not good:
                    print(f"  {name}: {verdict.verdict} {verdict.notes}")
                tries += case["kind"] is not None
                hits += case["kind"] is not None and verdict.kind == case["kind"]
                false += case["kind"] is None and verdict.kind is not None
            seconds += times
            label = python[-28:]
            print(
                f"{name:26} {label:28} {right:4}/{options.times:<4} {statistics.median(times):7.2f}s {max(times):7.2f}s",
                flush=True,
            )
    if tries:
        print(f"confirmed where there is a mistake: {hits} of {tries} ({hits / tries:.2%})")
    print(f"false confirmations: {false}")
    print(f"median {statistics.median(seconds):.2f} s, worst {max(seconds):.2f} s")
    return int(false > 0 or (tries > 0 and hits / tries < ENOUGH))


if __name__ == "__main__":
    sys.exit(main())
