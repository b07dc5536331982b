"""The command line: parses options, calls the engine, prints."""

from threadlint.cli.main import main

__all__ = ["main"]
