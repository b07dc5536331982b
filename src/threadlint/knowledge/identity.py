"""Library types of which two are not as good as one: each stands for something that exists once, or that others hold on to.

Source: the library reference; for other packages, their own documentation on sharing a session, client or engine.
"""

from __future__ import annotations

from threadlint.knowledge.primitives import PRIMITIVES

_ONCE = frozenset(
    {
        "lock", "rlock", "condition", "semaphore", "event", "barrier", "queue", "thread", "process", "executor", "pool", "local", "manager",
        "interpreter",
    }
)  # fmt: skip

IDENTITY = (
    frozenset(name for name, one in PRIMITIVES.items() if one.world != "tasks" and one.kind in _ONCE)
    | frozenset(
        {
            "subprocess.Popen", "socket.socket", "socket.create_connection",
            "sqlite3.connect", "sqlite3.Connection", "ssl.create_default_context", "tempfile.TemporaryDirectory", "tempfile.NamedTemporaryFile",
            "http.client.HTTPConnection", "http.client.HTTPSConnection", "smtplib.SMTP", "ftplib.FTP", "select.epoll", "selectors.DefaultSelector",
            "asyncio.new_event_loop", "builtins.open", "io.open", "mmap.mmap", "shelve.open", "dbm.open",
            "requests.Session", "requests.session", "httpx.Client", "httpx.AsyncClient", "aiohttp.ClientSession", "urllib3.PoolManager",
            "redis.Redis", "redis.StrictRedis", "redis.ConnectionPool", "pymongo.MongoClient", "psycopg2.connect", "psycopg.connect",
            "sqlalchemy.create_engine", "boto3.client", "boto3.resource", "boto3.Session", "boto3.session.Session", "paramiko.SSHClient",
        }
    )
)  # fmt: skip

FACTORIES = frozenset(
    {
        "socket.create_connection", "sqlite3.connect", "builtins.open", "io.open", "tempfile.mkdtemp", "requests.session", "psycopg2.connect", "psycopg.connect",
        "sqlalchemy.create_engine", "boto3.client", "boto3.resource", "asyncio.new_event_loop", "ssl.create_default_context", "shelve.open", "dbm.open",
    }
)  # fmt: skip
"""Functions that return such an object; classes are found by their names above."""
