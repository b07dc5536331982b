"""Which rules run, and which of their findings count in which file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from threadlint.config import Config

ALL = "ALL"


class Selectable(Protocol):
    """What selection needs to know of a rule."""

    @property
    def code(self) -> str:
        """Such as `TL101`."""

    @property
    def name(self) -> str:
        """Such as `unguarded-update`."""

    @property
    def default(self) -> bool:
        """Whether it runs if nobody says anything."""

    @property
    def free_threaded(self) -> bool:
        """Whether it then runs on code for free-threaded builds."""


R = TypeVar("R", bound=Selectable)


@dataclass(frozen=True, slots=True)
class UnknownCode:
    """A code that names no rule: where it was written (the key of the configuration), and what to say."""

    key: str
    code: str
    message: str


def selected(config: Config, rules: Mapping[str, R]) -> tuple[R, ...]:
    """Those of the rules that `config` asks for, by code.

    Where a rule is both selected and ignored, the longer code wins (`TL101` over `TL1`), and of equal ones `ignore`.
    """
    return tuple(one for one in rules.values() if _is_selected(one, config))


def unknown_codes(config: Config, rules: Callable[[], Mapping[str, Selectable]]) -> list[UnknownCode]:
    """The codes in `config` that name no rule, each with a hint at what may have been meant.

    `rules` gives all rules by code; it is called only where there are codes.
    """
    lists: list[tuple[str, Iterable[str]]] = [
        ("select", config.select),
        ("extend-select", config.extend_select),
        ("ignore", config.ignore),
        *(("per-file-ignores", codes) for _, codes in config.per_file_ignores),
    ]
    named = [(key, code) for key, codes in lists for code in codes]
    known = rules() if named else {}
    return [
        UnknownCode(key, code, _hint(code, known))
        for key, code in named
        if code != ALL and (not code or not any(one.startswith(code) for one in known))
    ]


def ignored_in_file(path: Path, config: Config) -> tuple[str, ...]:
    """The codes, or prefixes of codes, that `per-file-ignores` switches off in the file `path`."""
    root = config.root.absolute()
    if not config.per_file_ignores or not path.is_relative_to(root):
        return ()
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 dear, and few need it

    relative = path.relative_to(root).as_posix()
    return tuple(
        code
        for pattern, codes in config.per_file_ignores
        if GitIgnoreSpec.from_lines([pattern]).match_file(relative)
        for code in codes
    )


def covers(prefix: str, code: str) -> bool:
    """Whether `prefix`, as written in a configuration, means the rule `code`."""
    return prefix == ALL or code.startswith(prefix)


def _is_selected(one: Selectable, config: Config) -> bool:
    wanted = max((_weight(code, one.code) for code in config.select), default=-1)
    wanted = max([wanted, *(_weight(code, one.code) for code in config.extend_select)])
    if not config.select and (one.default or (one.free_threaded and config.free_threaded)):
        wanted = max(wanted, 0)
    return wanted > max((_weight(code, one.code) for code in config.ignore), default=-1)


def _weight(prefix: str, code: str) -> int:
    """How narrowly `prefix` means `code`; -1 where it does not mean it."""
    if prefix == ALL:
        return 0
    return len(prefix) if code.startswith(prefix) else -1


def _hint(code: str, known: Mapping[str, Selectable]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 only for a mistake

    by_name = {one.name: one.code for one in known.values()}
    if code in by_name:
        return f"unknown code `{code}`: the rule of this name is {by_name[code]}"
    folded = code.strip().upper()
    near = [folded] if folded in known else get_close_matches(folded, known, n=1, cutoff=0.6)
    near = near or [by_name[name] for name in get_close_matches(code, by_name, n=1)]
    hint = f": did you mean {near[0]}?" if near else "; `threadlint rules` lists the codes"
    return f"unknown code `{code}`{hint}"
