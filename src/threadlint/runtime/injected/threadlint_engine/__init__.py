"""The part of the companion that runs inside the tried program: standard library only, CPython 3.10 or newer."""
