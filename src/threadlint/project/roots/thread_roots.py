"""Where threads start: every spawn in the program, what it runs, how many run at once, and until when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from threadlint.facts.model import Call, Const, Loop, Many, Ref, Root, Span, Value, With
from threadlint.knowledge.stdlib import (
    CONSTRUCTORS,
    EXECUTOR_METHODS,
    EXECUTORS,
    FUNCTIONS,
    LOOP_TYPES,
    POOL_METHODS,
    POOLS,
    Starter,
)
from threadlint.project.locks.locks import Step
from threadlint.project.names.call_graph import NamedCalls
from threadlint.project.names.callables import HANDING
from threadlint.project.names.linker import Links
from threadlint.project.names.mentions import last_part
from threadlint.project.names.things import ClassThing, Cls, External, Func, FunctionThing, Object
from threadlint.project.names.types import Types, argument
from threadlint.project.names.values import refs
from threadlint.project.roots.ownership import varies

_CALLERS_DEEP = 3
_BASES = frozenset(CONSTRUCTORS)
_TARGETS = (("run",), ("_target",), ("_Thread__target",))
"""How the `run` of a subclass gets at the target: by the base's `run`, or by its attribute (under two names, of Python 3 and 2)."""
THREADS = frozenset(name for name, world in {**EXECUTORS, **POOLS}.items() if world == "threads")


@dataclass(frozen=True, slots=True)
class Spawn:
    """One place that makes a function run on another thread.

    `func` is where it stands; `args` and `keywords` are the target's arguments as values in `func`; `many` says that several threads
    of this one place can run at once; `begin` and `end` are the numbers of the steps of `func` between which they may run (`end` is -1 where they may outlive it).
    """

    func: Func
    call: Call
    kind: str
    target: FunctionThing
    args: tuple[Value, ...]
    keywords: tuple[tuple[str, Value], ...]
    loops: tuple[Loop, ...]
    many: bool
    distinct: bool
    """each thread gets arguments of its own (`map`)"""
    begin: int
    end: int
    assumed: bool = False
    """that there are several is only likely: the function that starts them can be called again before they end"""
    changing: frozenset[str] = frozenset()
    """parameters of `func` that are another object in each of several calls"""
    note: str = ""
    """who runs the target, where it is not the program's own code"""

    @property
    def span(self) -> Span:
        """Where the callable is handed over."""
        return self.call.span

    @property
    def story(self) -> str:
        """How the root is told in messages."""
        again = ", several at a time" if self.many and not self.note else ""
        return (
            f"`{self.target.func.name}` is {self.verb} here{again}"
            if not self.note
            else f"{self.note}: `{self.target.func.name}`"
        )

    @property
    def verb(self) -> str:
        """How the spawn is told in messages."""
        return {
            "thread": "started as a thread",
            "timer": "run by a timer",
            "executor": "submitted",
            "pool": "handed to a pool",
            "class": "started as a thread",
            "task": "started as a task",
        }.get(self.kind, "run on a thread")


@dataclass(slots=True)
class ThreadRoots:
    """Finds the spawns."""

    links: Links
    types: Types
    steps: Callable[[Func], list[Step]]
    named: NamedCalls

    def all(self) -> Iterator[Spawn]:
        """Every spawn whose target is a function of the project."""
        for func in self.links.ordered():
            for call in self.links.calls[func.id].values():
                callee = call.callee
                if type(callee) is Ref and callee.root is Root.BUILTIN:
                    continue
                for thing in self.types.of(callee, func):
                    kind = type(thing)
                    if kind is External:
                        if thing.name in HANDING:  # type: ignore[union-attr]
                            found = self._starter(thing.name, call, func)  # type: ignore[union-attr]
                            if found is not None:
                                yield from self._targets(func, call, *found)
                    elif kind is ClassThing:
                        yield from self._subclass(func, call, thing.cls)  # type: ignore[union-attr]

    def handed_over(self, func: Func, call: Call) -> Iterator[Value]:
        """What the call makes run on another thread, whether or not the project defines it: `submit(db.execute)`."""
        for thing in self.types.of(call.callee, func):
            found = self._starter(thing.name, call, func) if isinstance(thing, External) else None
            value = call.argument(found[1].target, found[1].keyword) if found is not None else None
            if value is not None:
                yield value

    def _starter(self, name: str, call: Call, func: Func) -> tuple[str, Starter] | None:
        if name in CONSTRUCTORS:
            return "timer" if name.endswith("Timer") else "thread", CONSTRUCTORS[name]
        if name in FUNCTIONS:
            return "thread", FUNCTIONS[name]
        owner, _, method = name.rpartition(".")
        if owner in THREADS:
            if owner in EXECUTORS and method in EXECUTOR_METHODS:
                return "executor", EXECUTOR_METHODS[method]
            if owner in POOLS and method in POOL_METHODS:
                return "pool", POOL_METHODS[method]
        if owner in LOOP_TYPES and method == "run_in_executor":
            pool = call.argument(0, "executor")
            if not any(
                isinstance(thing, Object) and thing.type in EXECUTORS and thing.type not in THREADS
                for thing in self.types.of(pool, func)
            ):
                return "executor", Starter(1, "func")
        return None

    def _targets(self, func: Func, call: Call, kind: str, starter: Starter) -> Iterator[Spawn]:
        value = call.argument(starter.target, starter.keyword)
        args: tuple[Value, ...]
        keywords: tuple[tuple[str, Value], ...] = ()
        if starter.repeats:
            args = call.args[starter.target + 1 :]
        elif starter.args or starter.args_at >= 0:
            given = call.argument(starter.args_at, starter.args)
            args = given.items if isinstance(given, Many) and not given.repeated else ()
        else:
            args = call.args[starter.target + 1 :]
            keywords = call.keywords
        targets = list(self.types.functions(value, func))
        partial = self._partial(value, func)
        if partial is not None:
            args = partial.args[1:] + args
            keywords = partial.keywords + keywords
        for target in targets:
            yield self._spawn(func, call, kind, target, args, keywords, repeats=starter.repeats)

    def _partial(self, value: Value | None, func: Func) -> Call | None:
        if isinstance(value, Ref) and value.root == Root.RESULT:
            call = self.links.calls[func.id].get(int(value.name))
            if call is not None and any(
                isinstance(t, External) and t.name == "functools.partial" for t in self.types.of(call.callee, func)
            ):
                return call
        return None

    def _subclass(self, func: Func, call: Call, cls: Cls) -> Iterator[Spawn]:
        """`class Worker(Thread)`: making one spawns its `run`, and the target that it is given, unless its `run` does without."""
        base = next((name for name in self.types.mro(cls) if isinstance(name, str) and name in _BASES), "")
        if not base:
            return
        run = self.types.method(cls, "run")
        if run is not None:
            yield self._spawn(func, call, "class", FunctionThing(run, call.result, func), (), (), repeats=False)
        if run is None or self._calls_target(run):
            starter = CONSTRUCTORS[base]
            value, args = self._given(call, cls, starter)
            for target in self.types.functions(value, func):
                given = args.items if isinstance(args, Many) and not args.repeated else ()
                kind = "timer" if base.endswith("Timer") else "thread"
                yield self._spawn(func, call, kind, target, given, (), repeats=False)

    def _calls_target(self, run: Func) -> bool:
        """Whether the `run` of a subclass does what that of the base does: `super().run()`, or `self._target(*self._args)`."""
        return any(
            isinstance(call.callee, Ref)
            and call.callee.path[-1:] in _TARGETS
            and (call.callee.path[-1] != "run" or call.callee.root in (Root.SUPER, Root.IMPORT, Root.GLOBAL))
            for call in self.links.calls[run.id].values()
        )

    def _given(self, call: Call, cls: Cls, starter: Starter) -> tuple[Value | None, Value | None]:
        """The target and its arguments, for the constructor of the base or for one that hands them on to it."""
        init = self.types.method(cls, "__init__")
        if init is None:
            return call.argument(starter.target, starter.keyword), call.argument(starter.args_at, starter.args)
        base = next(
            (one for one in self.links.calls[init.id].values() if last_part(one.callee) == "__init__"),
            None,
        )
        if base is None:
            return None, None
        params = {param.name: number for number, param in enumerate(init.facts.params[1:])}
        passed = {ref.name for value in (*base.args, *(value for _, value in base.keywords)) for ref in refs(value)}
        found = []
        for name in (starter.keyword, starter.args):
            if name not in params:
                found.append(call.keyword(name))  # goes along in `**kwargs`
            else:
                found.append(argument(call, params[name], name) if name in passed else None)
        return found[0], found[1]

    def _spawn(
        self,
        func: Func,
        call: Call,
        kind: str,
        target: FunctionThing,
        args: tuple[Value, ...],
        keywords: tuple[tuple[str, Value], ...],
        *,
        repeats: bool,
    ) -> Spawn:
        steps = self.steps(func)
        at = next((number for number, step in enumerate(steps) if step.node is call), 0)
        loops = steps[at].loops if steps else ()
        begin, end, sequential = self._interval(func, call, kind, steps, at, loops)
        one = self._one_worker(call, func, kind)
        called_often, changing = self._called_often(func)
        many = (repeats or bool(loops) or called_often) and not sequential and not one
        assumed = not many and not one and not sequential and self._outlives(func, call, kind)
        return Spawn(
            func, call, kind, target, args, keywords, loops, many or assumed, repeats, begin, end, assumed, changing
        )

    def _called_often(self, func: Func, depth: int = 0) -> tuple[bool, frozenset[str]]:
        """Whether the function that starts the thread is itself called in a loop or from several places, and which parameters change."""
        if func.is_module or depth > _CALLERS_DEEP:
            return False, frozenset()
        calls = list(self.named.of(func))
        looped = [(caller, call, filled) for caller, call, filled in calls if call.id in self.links.looped[caller.id]]
        often = bool(looped) or len(calls) > 1
        changing: set[str] = set()
        for caller, call, filled in calls:
            loops = next((step.loops for step in self.steps(caller) if step.node is call), ())
            if filled and len(calls) == 1 and varies(_receiver(call), caller, loops, self.types):
                changing.add(func.facts.params[0].name)
            for number, param in enumerate(func.facts.params[filled:]):
                value = argument(call, number, param.name)
                if value is not None and (varies(value, caller, loops, self.types) or len(calls) > 1):
                    changing.add(param.name)
            if not often:
                often = self._called_often(caller, depth + 1)[0]
        if func.facts.cls and self.types.self_name(func) and not any(filled for _, _, filled in calls):
            return False, frozenset(changing)
        return often, frozenset(changing)

    def _outlives(self, func: Func, call: Call, kind: str) -> bool:
        """A pool that is kept somewhere, given work by a function that can be called again at any time."""
        if func.is_module or kind not in ("executor", "pool") or not isinstance(call.callee, Ref):
            return False
        receiver = call.callee.receiver
        pools = [
            thing for thing in self.types.of(receiver, func) if isinstance(thing, Object) and thing.frame is not None
        ]
        return bool(pools) and all(thing.frame is not func for thing in pools)

    def _one_worker(self, call: Call, func: Func, kind: str) -> bool:
        if kind not in ("executor", "pool") or not isinstance(call.callee, Ref):
            return False
        receiver = call.callee.receiver
        pools = [
            thing for thing in self.types.of(receiver, func) if isinstance(thing, Object) and thing.call is not None
        ]
        sizes = [
            thing.call.argument(0, "processes" if kind == "pool" else "max_workers")
            for thing in pools
            if thing.call is not None
        ]
        return bool(sizes) and all(isinstance(size, Const) and size.value == 1 for size in sizes)

    def _interval(
        self, func: Func, call: Call, kind: str, steps: list[Step], at: int, loops: tuple[Loop, ...]
    ) -> tuple[int, int, bool]:
        """From which step to which the threads may run, and whether each ends before the next begins."""
        begin, end = at, -1
        sequential = False
        if kind in ("executor", "pool"):
            end = self._pool_end(func, call, steps, at)
            for number in range(at + 1, len(steps)):
                if self._asks_result(steps[number], call, func):
                    sequential = steps[number].loops == loops and bool(loops)
                    end = number if steps[number].loops == loops else end
                    break
            return begin, end, sequential
        for number in range(at + 1, len(steps)):
            step = steps[number]
            node = step.node
            if (
                not isinstance(node, Call)
                or not isinstance(node.callee, Ref)
                or not node.callee.path
                or node.callee.path[-1] not in ("start", "join")
            ):
                continue
            if node.callee.path[-1] == "join" and node.args + node.keywords:
                continue  # a join with a timeout may give up
            if not self._is_result(node.callee.receiver, call, func):
                continue
            if node.callee.path[-1] == "start":
                begin = number
            else:
                end = _after_loop(steps, number)
                # one thread at a time: the loop that starts it waits for it
                sequential = (
                    bool(loops or steps[begin].loops)
                    and step.loops[:1] == steps[begin].loops[:1]
                    and step.loops == steps[begin].loops
                )
                break
        return begin, end, sequential

    def _pool_end(self, func: Func, call: Call, steps: list[Step], at: int) -> int:
        """A `with` around the call whose manager is the pool waits for all its work."""
        if not isinstance(call.callee, Ref):
            return -1
        receiver = call.callee.receiver
        pools = {
            (t.frame.id, t.call.id)
            for t in self.types.of(receiver, func)
            if isinstance(t, Object) and t.frame is not None and t.call is not None
        }
        for node, _ in reversed(steps[at].context):
            if isinstance(node, With):
                for item in node.items:
                    for thing in self.types.of(item.value, func):
                        if (
                            isinstance(thing, Object)
                            and thing.frame is not None
                            and thing.call is not None
                            and (thing.frame.id, thing.call.id) in pools
                        ):
                            after = range(at + 1, len(steps))  # the steps of a block follow each other
                            return next((number for number in after if not _is_in(steps[number], node)), len(steps)) - 1
        return -1

    def _asks_result(self, step: Step, call: Call, func: Func) -> bool:
        node = step.node
        if (
            not isinstance(node, Call)
            or not isinstance(node.callee, Ref)
            or node.callee.path[-1:] not in (("result",), ("exception",), ("get",))
        ):
            return False
        receiver = node.callee.receiver
        return self._is_result(receiver, call, func)

    def _is_result(self, value: Ref, call: Call, func: Func) -> bool:
        if value == call.result:
            return True
        return any(isinstance(thing, Object) and thing.call is call for thing in self.types.of(value, func))


def _is_in(step: Step, block: With) -> bool:
    return any(node is block for node, _ in step.context)


def _receiver(call: Call) -> Value | None:
    callee = call.callee
    return callee.receiver if isinstance(callee, Ref) and callee.path else None


def _after_loop(steps: list[Step], number: int) -> int:
    """The last step of the outermost loop around the step: only there have all threads been joined."""
    loops = steps[number].loops
    if not loops:
        return number
    return max(n for n, step in enumerate(steps) if any(node is loops[0] for node, _ in step.context))
