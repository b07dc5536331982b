"""The form of a text: what may change without changing facts, and what may not."""

from __future__ import annotations

from hashlib import blake2b

import pytest

from support import RACE
from threadlint.cache.fingerprint import SIZE, facts_code, key
from threadlint.cache.store import MemoryStore
from threadlint.config import Config
from threadlint.engine import lint
from threadlint.facts.form import form, lines
from threadlint.loading.card import decode_card, decode_made
from threadlint.loading.load import facts_key
from threadlint.loading.work import work

CODE = """\
def f(a):
    return [
        a,
    ]


x = "# no comment"
y = 1 + \\
    2
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    ]\n", "    ]  # the end\n"),
        ("    ]\n", "    ]\n\n\n\n"),
        ("def f", "# a remark\n\n# another\ndef f"),
        ("        a,\n", "        # inside\n        a,  # too\n\n"),
        ("    2\n", "    2\n\n# last"),
        ("    2\n", "    2 \t\n  \n"),
        ("\n\n\nx", " \n\n\nx"),
    ],
)
def test_comments_and_blank_lines_do_not_count(old, new):
    changed = CODE.replace(old, new)
    assert changed != CODE
    assert form(changed) == form(CODE) != b""
    before, after = lines(CODE), lines(changed)
    for number, text in enumerate(CODE.splitlines(), start=1):
        if text.strip():
            there = after.from_form(before.to_form(number))
            assert changed.splitlines()[there - 1].startswith(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# no comment", "# a comment"),
        ("    2\n", "\n    2\n"),
        ("+ \\\n", "+ \\ \n"),
        ("+ \\\n", "+ \\  # a mistake\n"),
        ("+ \\\n", "+ \\# a mistake\n"),
        ("+ \\\n", "+ \\ \n\n"),
        ("a,", "b,"),
        ("\n\n\nx", "\n\n\n  x"),
        ('x = "# no comment"', 'x = f"{a["# no comment"]}"'),
    ],
)
def test_all_else_counts(old, new):
    changed = CODE.replace(old, new)
    assert changed != CODE
    assert form(changed) != form(CODE)


def test_the_inside_of_strings_counts():
    for text in ('x = """\n\n# {}\n"""\n', "x = f\"{{a['# {}']}}\"\n", 'x = f"{{a["# {}"]}}"\n', "x = '\\\n# {}'\n"):
        assert form(text.format(1)) != form(text.format(2))


@pytest.mark.parametrize("text", ["x = 1\r\n", 'x = f"""\n{y}"""\n', "x = []  # guarded-by: lock\n"])
def test_some_texts_have_no_form(text):
    assert form(text) == b""


@pytest.mark.parametrize("line", [0, 2, 4])
def test_lines_without_code_are_nowhere(line):
    with pytest.raises(ValueError, match=str(line)):
        lines("x = 1\n\ny = 2\n# end\n").to_form(line)


def test_the_card_of_a_file_of_a_known_form_is_the_one_that_reading_it_makes(folder):
    store = MemoryStore()
    texts = [RACE, f"# noqa\n{RACE}\n# asyncio\n", "x = 1\n", "x = 1  # threading\n"]
    for number, text in enumerate(texts):
        folder.write({f"f{number}.py": text})
        lint([f"f{number}.py"], Config(root=folder.path), store=store)
        made = decode_made(work(text.encode(), "", facts_code()))
        digest = blake2b(text.encode(), digest_size=SIZE).digest()
        assert decode_card(store.values[key("card", facts_code(), digest)]) == made.card
        assert (facts_key(digest) in store.values) == (number in {0, 2})
