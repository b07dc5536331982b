"""A rule's page and the table of rules, in Markdown: what `explain` prints and what stands in docs/ and README."""

from __future__ import annotations

from collections.abc import Iterable

from threadlint.rules.rule import Rule

BEGIN = "<!-- rules: written by `threadlint dev docs` -->"
END = "<!-- rules: end -->"


def page(rule: Rule) -> str:
    """The page of `rule`: code and name, its first sentence, the facts about it, and its sections."""
    rest = rule.page.partition("\n")[2].strip()
    return f"# {rule.code} {rule.name}\n\n{rule.title}\n\n{_facts(rule)}\n\n{rest}\n"


def table(rules: Iterable[Rule], folder: str) -> str:
    """The rules as a table, each linked to its page in `folder`."""
    rows = [
        f"| [{rule.code}]({folder}/{rule.code}.md) | {rule.name} | {rule.title.rstrip('.')} | {_on(rule)} |"
        for rule in rules
    ]
    return "\n".join(["| Code | Name | Finds | Default |", "|---|---|---|---|", *rows]) + "\n"


def with_table(text: str, written: str) -> str:
    """`text` with `written` between the two marks; raises ValueError where a mark is missing."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the marks {BEGIN} and {END} are missing")
    return f"{head}{BEGIN}\n{written}{END}{tail}"


def _facts(rule: Rule) -> str:
    facts = [
        f"Severity: {rule.severity.value}",
        f"confidence: {rule.confidence.value}",
        f"default: {_on(rule)}",
        f"since {rule.since}",
    ]
    if rule.fixes:
        facts.append(f"{' and '.join(rule.fixes)} fixes" if len(rule.fixes) > 1 else f"{rule.fixes[0]} fix")
    if rule.oracle:
        facts.append("a run can show it (`threadlint confirm`)")
    return " · ".join(facts)


def _on(rule: Rule) -> str:
    return "on" if rule.default else "with `--free-threaded`" if rule.free_threaded else "off"
