"""Syntax that LibCST's parser stumbles over, respelled to what it reads, character for character.

LibCST 1.9 knows t-strings, but neither side by side nor with some of their raw prefixes, and `except A, B:`, but not with a comma at
the end. To all that is asked about threads an f-string and a t-string are alike: what is in their fields is evaluated where
they stand. Nothing moves, so each node of the tree is where it is in the file.
"""

from __future__ import annotations

import re

# Where these match inside a string or a comment, a letter of it changes, and nothing that anyone looks at.
_TEMPLATE = re.compile(r"""(?<!\\)\b(?:t|rt|tr)(?=["'])""", re.IGNORECASE)
_LAST_COMMA = re.compile(r"^([ \t\f]*except\b[^#\r\n]*?),(?=[ \t\f]*:)", re.MULTILINE)
_AS_FORMATTED = str.maketrans("tT", "fF")


def respelled(text: str) -> str:
    """The text in older spelling, of the same length; the same text where there is nothing to respell."""
    text = _TEMPLATE.sub(lambda found: found[0].translate(_AS_FORMATTED), text)
    return _LAST_COMMA.sub(r"\1 ", text)
