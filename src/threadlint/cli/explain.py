"""`threadlint explain`: print the page of a rule."""

from __future__ import annotations

import click

from threadlint.cli.options import fail


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("code")
def explain(code: str) -> None:
    """Print what the rule CODE finds, why it is bad, and what to write instead.

    CODE is a code such as TL101, or the name of a rule.
    """
    from threadlint.cli.pages import page
    from threadlint.config import Config
    from threadlint.rules.rule import all_rules
    from threadlint.selection import unknown_codes

    rules = all_rules()
    by_name = {rule.name: rule for rule in rules.values()}
    rule = rules.get(code.upper()) or by_name.get(code)
    if rule is None:
        unknown = unknown_codes(Config(select=(code,)), all_rules)
        fail(f"threadlint: error: {unknown[0].message if unknown else f'`{code}` means several rules; name one'}")
    click.echo(page(rule), nl=False)
