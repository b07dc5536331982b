"""The rules: a folder per family, a file per rule. See `threadlint.rules.rule` for what a rule is."""
