"""Library types of which two are not as good as one: each stands for something that exists once, or that others hold on to.

Source: the library reference; for other packages, their own documentation on sharing a session, client or engine.
"""

from __future__ import annotations

from threadlint.knowledge.stdlib import EXECUTORS, LOCKS, POOLS, QUEUES

IDENTITY = (
    frozenset(name for name, lock in LOCKS.items() if lock.world != "tasks")
    | frozenset(name for name, world in QUEUES.items() if world != "tasks")
    | frozenset(EXECUTORS)
    | frozenset(POOLS)
    | frozenset(
        {
            "threading.Thread", "threading.Timer", "threading.Event", "threading.Barrier", "threading.local",
            "multiprocessing.Process", "multiprocessing.Manager", "subprocess.Popen", "socket.socket", "socket.create_connection",
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
