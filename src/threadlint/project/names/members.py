"""Attributes of classes and instances: methods, properties, and whatever is assigned to the attribute anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from threadlint.facts.model import Ref, Root
from threadlint.project.names.things import Cls, External, Func, FunctionThing, Object, Thing

if TYPE_CHECKING:
    from threadlint.project.names.types import Types


def instance_attribute(types: Types, cls: Cls, step: str) -> Iterator[Thing]:
    """What `x.step` can be for an instance `x` of the class or of a subclass."""
    methods = _methods(types, cls, step) if step in types.links.method_names else ()
    for method in methods:
        if any(
            isinstance(d, Ref) and (d.name.rpartition(".")[2] in ("property", "cached_property") or "setter" in d.path)
            for d in method.facts.decorators
        ):
            for variant in types.links.method_variants[f"{method.module.name}:{method.facts.cls}"][step]:
                for value in types.returned(variant):
                    yield from types.of(value, variant)
        else:
            yield FunctionThing(method)
    if methods:
        return
    external = next((base for base in types.mro(cls) if isinstance(base, str)), None)
    found = False
    family = types.family(cls)
    stores = types.links.attributes.get(step, ())
    on_self, others = types.stores_on_self(step)
    mine = {number for owner in family & on_self.keys() for number in on_self[owner]}
    for number in sorted((*mine, *others)):
        where, access = stores[number]
        if number in mine or receiver_class(types, access.ref, where) in family:
            found = True
            yield from types.of(access.value, where)
    yield from class_attribute(types, cls, step)
    if external is not None and not found:
        yield External(f"{external}.{step}")


def _methods(types: Types, cls: Cls, name: str) -> Sequence[Func]:
    """The methods of this name that an instance of the class or of a subclass can have."""
    inherited = types.method(cls, name)
    overrides = [m for sub in types.subclasses(cls) if (m := types.links.methods.get(sub.id, {}).get(name)) is not None]
    # unsound: with several overrides the receiver can be any of several subclasses, and following them all mixes siblings up
    if inherited is None:
        return overrides
    return (inherited, *overrides) if len(overrides) == 1 else (inherited,)


def receiver_class(types: Types, ref: Ref, func: Func) -> str | None:
    """The class whose instance `ref`'s last attribute belongs to, where the receiver is `self` or simple enough."""
    own = own_class(types, ref, func)
    if own is not None:
        return own
    base = ref.receiver
    for thing in types.of(base, func):
        if isinstance(thing, Object) and isinstance(thing.type, Cls):
            return thing.type.id
    return None


def own_class(types: Types, ref: Ref, func: Func) -> str | None:
    """The class of the method where `ref` is an attribute of its `self`."""
    if ref.root == Root.VAR and len(ref.path) == 1:
        owner = types.links.funcs.get(f"{func.module.name}:{ref.owner}")
        if owner is not None and ref.name == types.self_name(owner):
            return f"{owner.module.name}:{owner.facts.cls}"
    return None


def class_attribute(types: Types, cls: Cls, step: str) -> Iterator[Thing]:
    """What the class's own body, or an assignment to `Class.step`, binds."""
    for base in types.mro(cls):
        if not isinstance(base, Cls):
            continue
        maker = types.links.defaults.get((base.id, step))
        if maker is not None:
            for value in types.returned(maker):
                yield from types.of(value, maker)
        named = base.facts.qualname.rpartition("<locals>.")[2].split("#")[0]
        for where, access in types.links.own_attributes.get((base.module.name, named, step), ()):
            yield from types.of(access.value, where)


def super_attribute(types: Types, base: Ref, step: str, func: Func) -> Iterator[Thing]:
    """What `super().step` is in the method."""
    cls = types.links.classes.get(f"{func.module.name}:{base.owner}")
    if cls is None:
        return
    for above in types.mro(cls)[1:]:
        if isinstance(above, str):
            yield External(f"{above}.{step}")
            return
        found = types.links.methods.get(above.id, {}).get(step)
        if found is not None:
            own = types.self_name(func)
            yield FunctionThing(found, Ref(Root.VAR, own, (), func.facts.qualname) if own else None, func)
            return
