"""What runs coroutines on an event loop: the functions that make tasks of them, and the frameworks that call handlers.

Sources: the library reference of CPython 3.14 (asyncio), AnyIO 4 "Creating and managing tasks", Trio 0.30 "Nurseries and spawning"; for handlers aiohttp 3
"Web Server Quickstart", FastAPI and Starlette ("Routing", "Endpoints"), Quart, Sanic, Litestar, discord.py ("Event Reference", "Cogs"), aiogram 3 ("Router"),
Telethon ("Updates"), tornado 6 (`tornado.web`), websockets ("Server"), python-socketio ("Server").
"""

from __future__ import annotations

from threadlint.knowledge.async_clients import CLIENT_COROUTINES
from threadlint.knowledge.frameworks import Runner
from threadlint.knowledge.stdlib import LOOP_TYPES

TASK_GROUPS = frozenset({"asyncio.TaskGroup"})
NURSERIES = frozenset({"anyio.abc.TaskGroup", "trio.Nursery"})
"""What keeps the tasks it starts, and waits for them at the end of its block."""

TIMEOUTS = frozenset(
    {"asyncio.timeout", "asyncio.timeout_at", "async_timeout.timeout", "anyio.fail_after", "anyio.move_on_after"}
)
"""Context managers that end a wait of a task."""

ALL = -1
"""Every positional argument is a coroutine."""

STARTERS: dict[str, tuple[int, str]] = {
    "asyncio.create_task": (0, "coro"),
    "asyncio.ensure_future": (0, "coro_or_future"),
    "asyncio.async": (0, "coro_or_future"),
    "asyncio.Task": (0, "coro"),
    "asyncio.run_coroutine_threadsafe": (0, "coro"),
    "asyncio.as_completed": (0, "fs"),
    "asyncio.gather": (ALL, ""),
    "asyncio.wait": (0, "fs"),
    **{f"{loop}.create_task": (0, "coro") for loop in sorted(LOOP_TYPES)},
    **{f"{group}.create_task": (0, "coro") for group in sorted(TASK_GROUPS)},
}
"""Functions that run coroutines as tasks of their own, and the position and keyword of the coroutine, or of a list of them."""

POSTING = frozenset({"create_task", "ensure_future", "run_coroutine_threadsafe"})
"""The last names of the functions that leave a coroutine to a loop, which may run in another thread."""

RUNNING = frozenset({"run", "run_until_complete", "run_forever", "run_sync"})
"""The last names of the functions that run a loop in the thread which calls them."""

NURSERY_METHODS = frozenset({"start_soon", "start"})
"""Methods of a nursery that call a coroutine function, which is the first argument, in a new task."""

CONNECTIONS: dict[str, tuple[int, str]] = {
    "asyncio.start_server": (0, "client_connected_cb"),
    "asyncio.start_unix_server": (0, "client_connected_cb"),
    "websockets.serve": (0, "handler"),
    "websockets.server.serve": (0, "handler"),
    "websockets.asyncio.server.serve": (0, "handler"),
}
"""Servers that call a coroutine function in a new task for each connection."""

CONNECTION = Runner("the server runs it for each connection")
_REQUEST = Runner("the web framework runs it for each request", fresh=False)
_VIEW = Runner("the web framework runs it for each request")
_EVENT = Runner("the framework runs it for each event", fresh=False)
_VERBS = ("get", "post", "put", "patch", "delete", "head", "options")
_SOCKETS = ("websocket", "websocket_route", "websocket_listener")

DECORATORS: dict[str, Runner] = {
    **{
        f"{cls}.{verb}": _REQUEST
        for cls in (
            "fastapi.FastAPI", "fastapi.APIRouter", "fastapi.routing.APIRouter", "starlette.applications.Starlette", "aiohttp.web.RouteTableDef", "quart.Quart",
            "quart.Blueprint", "sanic.Sanic", "sanic.Blueprint",
        )
        for verb in (*_VERBS, *_SOCKETS, "route", "api_route", "view", "middleware")
    },
    **{f"litestar.{verb}": _REQUEST for verb in (*_VERBS, "route", *_SOCKETS)},
    **{
        f"discord.{cls}.{hook}": _EVENT
        for cls in ("Client", "ext.commands.Bot", "ext.commands.AutoShardedBot", "ext.commands.Cog")
        for hook in ("event", "listen", "command", "listener", "hybrid_command")
    },
    "discord.ext.commands.command": _EVENT,
    "discord.app_commands.command": _EVENT,
    **{
        f"aiogram.{cls}.{kind}": _EVENT
        for cls in ("Router", "Dispatcher")
        for kind in ("message", "callback_query", "inline_query", "edited_message", "channel_post")
    },
    "telethon.TelegramClient.on": _EVENT,
    "socketio.AsyncServer.on": _EVENT,
    "socketio.AsyncServer.event": _EVENT,
}  # fmt: skip
"""Decorators (or the methods whose result decorates) of handlers that run in a task for each request or event."""

METHODS: dict[str, tuple[frozenset[str], Runner]] = {
    "aiohttp.web.View": (frozenset(_VERBS), _VIEW),
    "tornado.web.RequestHandler": (frozenset({*_VERBS, "prepare"}), _VIEW),
    "starlette.endpoints.HTTPEndpoint": (frozenset(_VERBS), _VIEW),
    "sanic.views.HTTPMethodView": (frozenset(_VERBS), _VIEW),
}
"""Base classes, and the coroutine methods of theirs that the framework runs on a new instance for each request."""

EVENT_CLASSES = frozenset({"discord.Client", "discord.ext.commands.Bot", "discord.ext.commands.AutoShardedBot"})
"""Classes whose `on_...` methods the framework runs for each event."""

EVENT = _EVENT

ROUTES: dict[str, tuple[int, str]] = {
    **{f"aiohttp.web.{verb}": (1, "handler") for verb in _VERBS},
    "aiohttp.web.route": (2, "handler"),
    "aiohttp.web.view": (1, "handler"),
    **{f"aiohttp.web.UrlDispatcher.add_{verb}": (1, "handler") for verb in _VERBS},
    "aiohttp.web.UrlDispatcher.add_route": (2, "handler"),
    "aiohttp.web.Application.router.add_route": (2, "handler"),
    **{f"aiohttp.web.Application.router.add_{verb}": (1, "handler") for verb in _VERBS},
    "starlette.routing.Route": (1, "endpoint"),
    "starlette.routing.WebSocketRoute": (1, "endpoint"),
    "fastapi.FastAPI.add_api_route": (1, "endpoint"),
    "fastapi.APIRouter.add_api_route": (1, "endpoint"),
}
"""Calls that are given a coroutine function to run for each request: its position and keyword."""

REQUEST = _REQUEST

LIBRARY_COROUTINES = frozenset(
    {
        *(f"asyncio.{name}" for name in ("sleep", "wait", "wait_for", "to_thread", "open_connection", "open_unix_connection", "start_server")),
        *(f"asyncio.{name}" for name in ("start_unix_server", "create_subprocess_exec", "create_subprocess_shell", "Event.wait", "Barrier.wait")),
        *(f"asyncio.{queue}.{name}" for queue in ("Queue", "LifoQueue", "PriorityQueue") for name in ("put", "get", "join")),
        *(f"asyncio.{lock}.acquire" for lock in ("Lock", "Condition", "Semaphore", "BoundedSemaphore")),
        "asyncio.Condition.wait", "asyncio.Condition.wait_for", "asyncio.StreamWriter.drain", "asyncio.StreamWriter.wait_closed",
        *(f"asyncio.StreamReader.{name}" for name in ("read", "readline", "readexactly", "readuntil")),
        *(f"asyncio.AbstractEventLoop.{name}" for name in ("create_connection", "create_server", "sock_recv", "sock_sendall", "sock_connect", "sock_accept")),
        *(f"asyncio.AbstractEventLoop.{name}" for name in ("create_unix_connection", "create_unix_server", "create_datagram_endpoint", "connect_read_pipe")),
        *(f"asyncio.AbstractEventLoop.{name}" for name in ("connect_write_pipe", "subprocess_exec", "subprocess_shell", "sendfile", "start_tls")),
        *(f"asyncio.AbstractEventLoop.{name}" for name in ("getaddrinfo", "getnameinfo", "shutdown_asyncgens", "shutdown_default_executor")),
        *(f"{library}.{name}" for library in ("anyio", "trio") for name in ("sleep", "sleep_until", "sleep_forever")),
        *CLIENT_COROUTINES,
    }
)  # fmt: skip
"""Coroutine functions of the library: a call does nothing until it is awaited."""

TASK_MAKERS = frozenset({"asyncio.create_task", "asyncio.ensure_future", "asyncio.gather", *(f"{loop}.create_task" for loop in LOOP_TYPES)})  # fmt: skip
"""Functions whose result is all that keeps the tasks they start: the loop itself only has weak references (asyncio, "Creating Tasks")."""

SAME_FUNCTION = frozenset(
    {
        "builtins.staticmethod", "builtins.classmethod", "abc.abstractmethod", "typing.override", "typing_extensions.override", "typing.final",
        "typing_extensions.final", "typing.no_type_check", "functools.wraps", "types.coroutine", "warnings.deprecated", "typing_extensions.deprecated",
    }
)  # fmt: skip
"""Decorators under which a coroutine function stays one."""

PLAIN_CALLBACKS: dict[str, tuple[int, str]] = {
    **{f"{loop}.{method}": (0, "callback") for loop in sorted(LOOP_TYPES) for method in ("call_soon", "call_soon_threadsafe")},
    **{f"{loop}.{method}": (1, "callback") for loop in sorted(LOOP_TYPES) for method in ("call_later", "call_at")},
    **{f"{loop}.{method}": (1, "callback") for loop in sorted(LOOP_TYPES) for method in ("add_reader", "add_writer", "add_signal_handler")},
    **{f"asyncio.{future}.add_done_callback": (0, "fn") for future in ("Future", "Task")},
    "signal.signal": (1, "handler"),
    "atexit.register": (0, "func"),
    "weakref.finalize": (1, "func"),
}  # fmt: skip
"""Calls that are given a function to be called later, by position and keyword; what it returns is dropped."""

MADE_ONCE = frozenset(
    {
        "asyncio.create_task", "asyncio.ensure_future", "asyncio.open_connection", "asyncio.open_unix_connection", "asyncio.start_server",
        "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell", "asyncpg.create_pool", "asyncpg.connect", "aiomysql.create_pool", "aiopg.create_pool",
        "aioredis.create_redis_pool", "aioredis.from_url", "redis.asyncio.from_url", "redis.asyncio.Redis", "websockets.connect", "aiohttp.ClientSession",
        "httpx.AsyncClient", "aiosqlite.connect", "aio_pika.connect", "aio_pika.connect_robust", "motor.motor_asyncio.AsyncIOMotorClient",
    }
)  # fmt: skip
"""What makes a connection, a pool, a server, a process or a task: the second of two is a leak."""
