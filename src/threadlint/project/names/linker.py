"""Dotted names across files: which module, function, class or variable of the project they mean."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from threadlint.facts.model import Access, Call, FileFacts, Kind, Loop, Node, Ref, Root, Suspend, children
from threadlint.knowledge.stdlib import KNOWN, canonical
from threadlint.project.names.defaults import default_methods
from threadlint.project.names.mentions import Mentions
from threadlint.project.names.things import Cls, Func, Module

_FAR = 20
"""How many re-exports a name is followed through; files may take a name from each other."""
_READ = Kind.READ
_DOTTED = frozenset({Root.GLOBAL, Root.IMPORT})
_NAMED = frozenset({Root.GLOBAL, Root.VAR, Root.CLASS})
_GROWING = frozenset({"append", "appendleft", "add", "put", "put_nowait", "insert", "setdefault"})


@dataclass(slots=True)
class Links:
    """Indexes over all files: modules, functions and classes by name; bindings of variables and of attributes."""

    modules: dict[str, Module] = field(default_factory=dict)
    funcs: dict[str, Func] = field(default_factory=dict)
    classes: dict[str, Cls] = field(default_factory=dict)
    exports: dict[str, dict[str, str]] = field(default_factory=dict)
    bindings: dict[tuple[str, str], list[tuple[Func, Access]]] = field(default_factory=lambda: defaultdict(list))
    """what is assigned to a variable: by (module or function id, name)"""
    attributes: dict[str, list[tuple[Func, Access]]] = field(default_factory=lambda: defaultdict(list))
    """what is assigned to an attribute of any object: by the attribute's name"""
    own_attributes: dict[tuple[str, str, str], list[tuple[Func, Access]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """the same of what a module names: by the module's name, the dotted name before the attribute, and the attribute's"""
    element_stores: dict[str, list[tuple[Func, Access]]] = field(default_factory=lambda: defaultdict(list))
    """what is stored under a key: by the last name before it"""
    growing: dict[str, list[tuple[Func, Call]]] = field(default_factory=lambda: defaultdict(list))
    """calls that put an item into a container: by the last name before the method"""
    read: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """last names of what a module uses other than by calling it, by the module's name"""
    calls: dict[str, dict[int, Call]] = field(default_factory=dict)
    """calls by function id and number"""
    inner: dict[str, list[Func]] = field(default_factory=lambda: defaultdict(list))
    """functions by the id of the function that they are defined in"""
    looped: dict[str, set[int]] = field(default_factory=dict)
    """numbers of the calls that stand in a loop, by function id"""
    defaults: dict[tuple[str, str], Func] = field(default_factory=dict)
    """methods that make the value of an attribute, by class id and attribute"""
    methods: dict[str, dict[str, Func]] = field(default_factory=lambda: defaultdict(dict))
    method_names: set[str] = field(default_factory=set)
    """the names of all methods"""
    method_variants: dict[str, dict[str, list[Func]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    mentions: Mentions = field(init=False)
    """functions and calls by the names in them"""
    absolutes: dict[str, dict[Ref, Ref]] = field(default_factory=dict)
    """answers of `absolute`, by the module's name"""

    def __post_init__(self) -> None:
        self.mentions = Mentions(self.funcs)

    def ordered(self) -> Iterator[Func]:
        """All functions, file by file."""
        return iter(self.funcs.values())

    def functions_of(self, module: Module) -> list[Func]:
        """The functions of one file."""
        ids = (f"{module.name}:{function.qualname}" for function in module.facts.functions)
        return [self.funcs[one] for one in dict.fromkeys(ids)]


def link(files: Sequence[tuple[str, str, FileFacts]]) -> Links:
    """Index the facts of all files: (name shown to the user, dotted module name, facts)."""
    links = Links()
    for path, name, facts in files:
        unique = name if name not in links.modules else f"{name}@{path}"
        module = Module(path, unique, facts)
        links.modules[unique] = module
        links.exports[unique] = dict(facts.exports)
        for cls in facts.classes:
            links.classes[f"{unique}:{cls.qualname}"] = Cls(module, cls, f"{unique}:{cls.qualname}")
        for function in facts.functions:
            func = Func(module, function, f"{unique}:{function.qualname}")
            links.funcs[func.id] = func
            if function.owner:
                links.inner[f"{unique}:{function.owner}"].append(func)
            if function.cls:
                methods = f"{unique}:{function.cls}"
                links.methods[methods][function.name] = func
                links.method_names.add(function.name)
                links.method_variants[methods][function.name].append(func)
    for func in links.funcs.values():
        links.calls[func.id], links.looped[func.id] = {}, set()
        kinds: set[type | str] = set()
        _index(links, func, func.facts.body, kinds, links.read[func.module.name], looped=False)
        links.mentions.add_nodes(func, kinds)
    links.defaults.update(default_methods(links))
    return links


def _index(
    links: Links, func: Func, nodes: tuple[Node, ...], kinds: set[type | str], read: set[str], *, looped: bool
) -> None:
    for node in nodes:
        kind = type(node)
        kinds.add(kind)
        if kind is Access:
            if node.kind is not _READ:  # type: ignore[union-attr]
                if node.value is not None:  # type: ignore[union-attr]
                    _bind(links, func, node)  # type: ignore[arg-type]
            else:
                ref = node.ref  # type: ignore[union-attr]
                read.add(ref.path[-1] if ref.path else ref.name)
        elif kind is Call:
            _call(links, func, node)  # type: ignore[arg-type]
            if looped:
                links.looped[func.id].add(node.id)  # type: ignore[union-attr]
        elif kind is Loop:
            _index(links, func, node.body, kinds, read, looped=True)  # type: ignore[union-attr]
            _index(links, func, node.orelse, kinds, read, looped=looped)  # type: ignore[union-attr]
        elif kind is Suspend:
            kinds.add(node.kind)  # type: ignore[union-attr, arg-type]
        else:
            for inner in children(node):
                _index(links, func, inner, kinds, read, looped=looped)


def _call(links: Links, func: Func, call: Call) -> None:
    links.calls[func.id][call.id] = call
    links.mentions.add_call(func, call)
    callee = call.callee
    if type(callee) is Ref and callee.path and callee.path[-1] in _GROWING:
        last = next((step for step in reversed(callee.path[:-1]) if not step.startswith("[")), callee.name)
        links.growing[last].append((func, call))


def _bind(links: Links, func: Func, access: Access) -> None:
    ref = access.ref
    if not ref.path:
        if ref.root == Root.GLOBAL:
            links.bindings[func.module.name, ref.name].append((func, access))
        elif ref.root == Root.VAR:
            links.bindings[f"{func.module.name}:{ref.owner}", ref.name].append((func, access))
    elif ref.path[-1].startswith("["):
        last = next((step for step in reversed(ref.path) if not step.startswith("[")), ref.name)
        links.element_stores[last].append((func, access))
    else:
        links.attributes[ref.path[-1]].append((func, access))
        if ref.root in _NAMED:
            before = ".".join([ref.name, *ref.path[:-1]])
            links.own_attributes[func.module.name, before, ref.path[-1]].append((func, access))


def absolute(links: Links, module: Module, ref: Ref) -> Ref:
    """The same place, named independently of the file: dotted globals, variables with their function's id.

    An imported name becomes a GLOBAL of the module that defines it, through any number of re-exports; what the project does
    not define stays an IMPORT under its canonical name. Classes and functions become GLOBALs too.
    """
    if ref.root == Root.VAR:
        return Ref(Root.VAR, ref.name, ref.path, f"{module.name}:{ref.owner}")
    if ref.root not in _DOTTED:
        return ref
    known = links.absolutes.get(module.name)
    if known is None:
        known = links.absolutes[module.name] = {}
    found = known.get(ref)
    if found is None:
        if ref.root == Root.IMPORT:
            found = locate(links, from_relative(module, ref.name), ref.path)
        else:
            found = _global(links, module, ref)
        known[ref] = found
    return found


def _global(links: Links, module: Module, ref: Ref, depth: int = 0) -> Ref:
    full = f"{module.name}.{ref.name}"
    if full in KNOWN or canonical(full) != full:
        return Ref(Root.IMPORT, canonical(full), ref.path)
    if depth < _FAR and (module.name, ref.name) not in links.bindings:
        for star in module.facts.stars:
            source = from_relative(module, star)
            target = links.modules.get(source)
            if target is None:
                if f"{source}.{ref.name}" in KNOWN:
                    return Ref(Root.IMPORT, canonical(f"{source}.{ref.name}"), ref.path)
                continue
            if (target.name, ref.name) in links.bindings or ref.name in links.exports[target.name]:
                return locate(links, f"{source}.{ref.name}", ref.path, depth + 1)
    return Ref(Root.GLOBAL, ref.name, ref.path, module.name)


def from_relative(module: Module, dotted: str) -> str:
    """The absolute dotted name of a relative import (language reference, 5.7)."""
    level = len(dotted) - len(dotted.lstrip("."))
    if not level:
        return dotted
    parts = module.name.split("@")[0].split(".")
    is_package = module.path.endswith("__init__.py")
    base = parts if is_package and level == 1 else parts[: len(parts) - level + (1 if is_package else 0)]
    rest = dotted[level:]
    return ".".join([*base, rest] if rest else base)


def locate(links: Links, dotted: str, path: tuple[str, ...] = (), depth: int = 0) -> Ref:
    """Where a dotted name is defined: the longest known module, then the names below it."""
    full = canonical(dotted)
    if full in KNOWN:
        return Ref(Root.IMPORT, full, path)
    steps = [*dotted.split("."), *path]
    plain = 0
    while plain < len(steps) and not steps[plain].startswith("["):
        plain += 1
    for end in range(plain, 0, -1):
        joined = ".".join(steps[:end])
        known = canonical(joined)
        if known in KNOWN:
            return Ref(Root.IMPORT, known, tuple(steps[end:]))
        module = links.modules.get(joined)
        if module is None:
            continue
        if end == len(steps):
            return Ref(Root.IMPORT, joined)
        name, rest = steps[end], tuple(steps[end + 1 :])
        exported = links.exports[joined].get(name)
        if exported is not None and depth < _FAR:
            return locate(links, from_relative(module, exported), rest, depth + 1)
        return _global(links, module, Ref(Root.GLOBAL, name, rest), depth)
    return Ref(Root.IMPORT, full, path)
