"""Thread roots that no call in the program starts: what frameworks run, and what the configuration declares."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from threadlint.facts.model import Call, Ref, Root
from threadlint.knowledge.frameworks import (
    CELERY,
    DECLARED,
    DECORATORS,
    HANDLER,
    HANDLERS,
    METHODS,
    ROUTES,
    SWITCHES,
    TASK_DECORATORS,
    THREADING_SERVERS,
    WSGI,
    WSGI_PARAMETERS,
    Runner,
)
from threadlint.project.names.linker import Links
from threadlint.project.names.things import Cls, External, Func, FunctionThing
from threadlint.project.names.types import Types
from threadlint.project.roots.thread_roots import Spawn

_NEVER = 1 << 30
"""A step that no function has: a module's body is done before the framework begins."""


@dataclass(slots=True)
class FrameworkRoots:
    """Finds them. A function that a framework runs on a new instance of its class gets no shared `self`."""

    links: Links
    types: Types
    declared: Sequence[str]
    switches: Container[str]

    def all(self) -> Iterator[Spawn]:
        """One root for each function."""
        threading_server = self._makes_threading_server()
        switched = self._switched_on()
        for func in self.links.ordered():
            runner = self._runner(func, threading_server=threading_server) or self._chosen(func, switched)
            if runner is not None and not (runner.sync_only and func.facts.is_async):
                yield self.root(func, runner)
        yield from self._routes()

    def _runner(self, func: Func, *, threading_server: bool) -> Runner | None:
        if func.is_module:
            return None
        dotted = f"{func.module.name}.{func.facts.qualname}"
        if any(fnmatchcase(dotted, pattern) for pattern in self.declared):
            return DECLARED
        for decorator in func.facts.decorators:
            runner = self._decorated(decorator, func)
            if runner is not None:
                return runner
        cls = self.types.owner(func)
        return self._inherited(cls, func.facts.name, threading_server=threading_server) if cls is not None else None

    def _decorated(self, decorator: object, func: Func) -> Runner | None:
        known = sorted(self.names(decorator, func) & DECORATORS.keys())
        return DECORATORS[known[0]] if known else None

    def names(self, decorator: object, func: Func) -> set[str]:
        """The dotted names of a decorator, with or without arguments."""
        scope = self.types.scope(func)
        value = decorator
        if isinstance(value, Ref) and value.root == Root.RESULT:
            call = self.links.calls[scope.id].get(int(value.name))
            value = call.callee if call is not None else None
        if not isinstance(value, Ref):
            return set()
        return {thing.name for thing in self.types.of(value, scope) if isinstance(thing, External)}

    def _inherited(self, cls: Cls, name: str, *, threading_server: bool) -> Runner | None:
        for base in self.types.mro(cls):
            if isinstance(base, str):
                if base in METHODS and name in METHODS[base][0]:
                    return METHODS[base][1]
                if threading_server and name in HANDLERS.get(base, ()):
                    return HANDLER
        return None

    def _makes_threading_server(self) -> bool:
        for cls in self.links.classes.values():
            if self.types.derives(cls, THREADING_SERVERS):
                return True
        wanted = {name.rpartition(".")[2] for name in THREADING_SERVERS}
        return any(
            isinstance(thing, External) and thing.name in THREADING_SERVERS
            for func, call in self.links.mentions.calls(wanted)
            for thing in self.types.of(call.callee, func)
        )

    def _switched_on(self) -> list[Runner]:
        """The runners that a setting of the program turns on, such as `worker_class = "gthread"`."""
        return [runner for name, (_, runner) in SWITCHES.items() if name in self.switches]

    def _chosen(self, func: Func, switched: list[Runner]) -> Runner | None:
        names = tuple(param.name for param in func.facts.params)
        if WSGI in switched and names[-2:] == WSGI_PARAMETERS:
            return WSGI
        if CELERY in switched and any(
            self.names(decorator, func) & TASK_DECORATORS for decorator in func.facts.decorators
        ):
            return CELERY
        return None

    def _routes(self) -> Iterator[Spawn]:
        for func, call in self.links.mentions.calls(name.rpartition(".")[2] for name in ROUTES):
            for thing in self.types.of(call.callee, func):
                if isinstance(thing, External) and thing.name in ROUTES:
                    position, keyword, runner = ROUTES[thing.name]
                    for target in self.types.functions(call.argument(position, keyword), func):
                        if not (runner.sync_only and target.func.facts.is_async):
                            yield self.root(target.func, runner)

    def root(self, func: Func, runner: Runner) -> Spawn:
        """The root of a function that a framework runs."""
        body = self.links.funcs[f"{func.module.name}:"]
        receiver = (
            None
            if runner.fresh or not self.types.self_name(func)
            else Ref(Root.VAR, func.facts.params[0].name, (), func.facts.qualname)
        )
        call = Call(-1, func.facts.span, Ref(Root.FUNCTION, func.facts.qualname))
        return Spawn(
            body,
            call,
            "framework",
            FunctionThing(func, receiver, func),
            args=(),
            keywords=(),
            loops=(),
            many=runner.many,
            distinct=False,
            begin=_NEVER,
            end=-1,
            note=runner.who,
        )
