"""`async` and `await` as names, which they were up to Python 3.6: `from .async import connect`, `submit(job, async=True)`."""

from __future__ import annotations

import re

import libcst as cst

from threadlint.facts.outline import STRING

_WORD = re.compile(rf"#[^\r\n]*|(?:{STRING})|\b(?P<word>async|await)\b")
_BEFORE_A_NAME = re.compile(r"(?:\.|\b(?:def|class|import|as|global|nonlocal|del))[ \t]*$")
_AFTER_ASYNC = re.compile(r"[ \t]+(?:def|for|with)\b")
_AFTER_AWAIT = re.compile(r"""[ \t]*(?!(?:import|as|if|else|for|in|is|and|or|not[ \t]+in)\b)[\w("'\[{~+\-]""")
_LETTER = "\uff41"
"""FULLWIDTH LATIN SMALL LETTER A. No keyword has it, and in a name it means the same as `a`."""


def parse_old(text: str) -> cst.Module:
    """The tree of a text in which the two words are names. Raises what LibCST raises for others."""
    respelled = _WORD.sub(_respell, text)
    if respelled == text:
        return cst.parse_module(text)
    return cst.ensure_type(cst.parse_module(respelled).visit(_Spelling()), cst.Module)


def _respell(found: re.Match[str]) -> str:
    word = found["word"]
    if word is None:
        return found[0]
    before = _BEFORE_A_NAME.search(found.string, max(found.start() - 20, 0), found.start())
    after = (_AFTER_ASYNC if word == "async" else _AFTER_AWAIT).match(found.string, found.end())
    return _LETTER + word[1:] if before or not after else word


class _Spelling(cst.CSTTransformer):
    """Gives the names the letter back that the text has."""

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:  # noqa: N802 LibCST's name
        if _LETTER not in original_node.value:
            return updated_node
        return updated_node.with_changes(value=original_node.value.replace(_LETTER, "a"))
