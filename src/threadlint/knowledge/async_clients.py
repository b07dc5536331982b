"""Coroutine methods of libraries that programs talk to servers and devices with, by the name under which programs import their classes.

Only what has been `async def`, or has returned a coroutine, in every release that people still use; what also exists in a synchronous form under the same name (older
python-telegram-bot, `add_cog` of discord.py 1) is left out, and so are commands that a pipeline takes without `await` (redis).

Sources: the references of aiohttp 3 ("Client Reference", "Server Reference"), HTTPX 0.28 ("Developer Interface"), redis-py 6 ("Asyncio Examples"), aiokafka 0.12, nats-py 2, Bleak 0.22,
aiosmtplib 4, asyncpg 0.30, asyncssh 2.19, aio-pika 9, discord.py 2, python-zeroconf 0.146, AnyIO 4, Trio 0.30.
"""

from __future__ import annotations

_REQUESTS = ("request", "get", "post", "put", "patch", "delete", "head", "options")

_METHODS: dict[str, tuple[str, ...]] = {
    "aiohttp.ClientSession": ("close", "ws_connect", *_REQUESTS),
    "aiohttp.web.AppRunner": ("setup", "cleanup", "shutdown"),
    "aiohttp.web.ServerRunner": ("setup", "cleanup", "shutdown"),
    "aiohttp.web.TCPSite": ("start", "stop"),
    "aiohttp.web.UnixSite": ("start", "stop"),
    "aiohttp.web.SockSite": ("start", "stop"),
    "aiohttp.web.StreamResponse": ("prepare", "write", "write_eof"),
    "aiohttp.web.WebSocketResponse": ("prepare", "close", "send_str", "send_bytes", "send_json", "receive"),
    "httpx.AsyncClient": ("aclose", "send", *_REQUESTS),
    "redis.asyncio.Redis": ("aclose", "close"),
    "redis.asyncio.RedisCluster": ("aclose", "close"),
    "aiokafka.AIOKafkaProducer": ("start", "stop", "send", "send_and_wait", "flush"),
    "aiokafka.AIOKafkaConsumer": ("start", "stop", "commit", "getone", "getmany"),
    "nats.aio.client.Client": ("connect", "publish", "subscribe", "request", "flush", "drain", "close"),
    "bleak.BleakClient": ("connect", "disconnect", "read_gatt_char", "write_gatt_char", "start_notify", "stop_notify"),
    "bleak.BleakScanner": ("start", "stop"),
    "aiosmtplib.SMTP": ("connect", "quit", "login", "sendmail", "send_message", "starttls"),
    "zeroconf.asyncio.AsyncZeroconf": ("async_close", "async_register_service", "async_unregister_service"),
    "discord.Client": ("start", "close", "change_presence", "wait_until_ready"),
    "discord.ext.commands.Bot": ("start", "close", "change_presence", "wait_until_ready", "process_commands"),
    "contextlib.AsyncExitStack": ("aclose", "enter_async_context"),
    "anyio.Event": ("wait",),
    "anyio.Lock": ("acquire",),
    "anyio.Semaphore": ("acquire",),
    "anyio.Condition": ("acquire", "wait"),
    "anyio.CapacityLimiter": ("acquire",),
    "trio.Event": ("wait",),
    "trio.Lock": ("acquire",),
    "trio.Semaphore": ("acquire",),
    "trio.Condition": ("acquire", "wait"),
    "trio.CapacityLimiter": ("acquire",),
}

CLIENT_COROUTINES = frozenset(
    {
        *(f"{cls}.{method}" for cls, methods in _METHODS.items() for method in methods),
        "asyncpg.connect",
        "asyncssh.connect",
        "aio_pika.connect",
        "aio_pika.connect_robust",
        "nats.connect",
        *(
            f"{library}.{name}"
            for library in ("anyio", "trio")
            for name in ("to_thread.run_sync", "run_process", "open_file")
        ),
        "anyio.connect_tcp",
        "trio.open_tcp_stream",
    }
)
"""Calls that do nothing until their result is awaited."""

ENTERING_THEMSELVES = frozenset(
    {
        "aiohttp.ClientSession",
        "httpx.AsyncClient",
        "redis.asyncio.Redis",
        "bleak.BleakClient",
        "bleak.BleakScanner",
        "aiosmtplib.SMTP",
        "aiokafka.AIOKafkaProducer",
        "aiokafka.AIOKafkaConsumer",
    }
)
"""Classes whose objects `async with` gives themselves."""
