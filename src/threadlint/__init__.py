"""threadlint finds thread-safety mistakes in Python programs, and shows them happening."""

__version__ = "0.1.0"
