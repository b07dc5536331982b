"""`threadlint rules`: list all rules."""

from __future__ import annotations

import json

import click


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--output-format", type=click.Choice(("text", "json")), default="text", show_default=True)
def rules(*, output_format: str) -> None:
    """List the code, the name and the first sentence of every rule; rules with fixes and off-by-default rules are marked."""
    from threadlint.rules.rule import all_rules

    known = all_rules().values()
    if output_format == "json":
        listed = [
            {
                "code": rule.code,
                "name": rule.name,
                "title": rule.title,
                "severity": rule.severity.value,
                "confidence": rule.confidence.value,
                "default": rule.default,
                "free_threaded": rule.default or rule.free_threaded,
                "since": rule.since,
                "fix": rule.fixes,
                "confirm": rule.oracle.value if rule.oracle else None,
                "url": rule.url,
            }
            for rule in known
        ]
        click.echo(json.dumps(listed, indent=2))
        return
    width = max((len(rule.name) for rule in known), default=0)
    for rule in known:
        off = "" if rule.default else " (on with --free-threaded)" if rule.free_threaded else " (off by default)"
        fixes = f" [{', '.join(f'{kind} fix' for kind in rule.fixes)}]" if rule.fixes else ""
        click.echo(f"{rule.code}  {rule.name:<{width}}  {rule.title}{fixes}{off}")
