"""Who runs which function on a thread, although nothing in the program's own code says so.

Sources: Flask 3 "Design decisions" (a view may run on any worker thread), Django 5 "How to deploy with WSGI" and `runserver --nothreading`, FastAPI
"Concurrency and async / await" (a `def` endpoint runs in a thread pool), Starlette "Thread pool", socketserver's `ThreadingMixIn` and http.server's
`ThreadingHTTPServer` (library reference), Tornado 6 `run_on_executor`, Qt 6 `QThread` and `QRunnable`, gunicorn's gthread workers (Settings, `worker_class`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Runner:
    """How a framework runs a function: `who` for messages; `many` at once; a new instance for each call (`fresh`)."""

    who: str
    many: bool = True
    fresh: bool = True
    sync_only: bool = False


_FLASK = Runner("Flask runs it on a thread for each request")
_FASTAPI = Runner("FastAPI runs it in a thread pool", sync_only=True)
_STARLETTE = Runner("Starlette runs it in a thread pool", sync_only=True)
_DJANGO = Runner("Django runs it on a thread for each request", sync_only=True)
_HANDLER = Runner("the threading server runs it on a thread for each request")
_QT = Runner("Qt runs it on a thread", many=False, fresh=False)
_TORNADO = Runner("Tornado runs it in an executor", fresh=False)
_VERBS = ("get", "post", "put", "patch", "delete", "head", "options")

DECORATORS: dict[str, Runner] = {
    **{f"flask.{cls}.{verb}": _FLASK for cls in ("Flask", "Blueprint") for verb in ("route", *_VERBS)},
    **{
        f"flask.{cls}.{hook}": _FLASK
        for cls in ("Flask", "Blueprint")
        for hook in ("before_request", "after_request", "teardown_request", "errorhandler")
    },
    **{f"fastapi.{cls}.{verb}": _FASTAPI for cls in ("FastAPI", "APIRouter") for verb in (*_VERBS, "api_route")},
    **{f"fastapi.routing.APIRouter.{verb}": _FASTAPI for verb in (*_VERBS, "api_route")},
    "starlette.applications.Starlette.route": _STARLETTE,
    "tornado.concurrent.run_on_executor": _TORNADO,
}
"""Decorators (or the methods whose result decorates), by dotted name."""

METHODS: dict[str, tuple[frozenset[str], Runner]] = {
    "flask.views.View": (frozenset({"dispatch_request"}), _FLASK),
    "flask.views.MethodView": (frozenset(_VERBS), _FLASK),
    "django.views.View": (frozenset(_VERBS), _DJANGO),
    "django.views.generic.View": (frozenset(_VERBS), _DJANGO),
    "django.views.generic.base.View": (frozenset(_VERBS), _DJANGO),
    "starlette.endpoints.HTTPEndpoint": (frozenset(_VERBS), _STARLETTE),
    "PyQt5.QtCore.QThread": (frozenset({"run"}), _QT),
    "PyQt6.QtCore.QThread": (frozenset({"run"}), _QT),
    "PySide2.QtCore.QThread": (frozenset({"run"}), _QT),
    "PySide6.QtCore.QThread": (frozenset({"run"}), _QT),
    "PyQt5.QtCore.QRunnable": (frozenset({"run"}), _QT),
    "PyQt6.QtCore.QRunnable": (frozenset({"run"}), _QT),
    "PySide2.QtCore.QRunnable": (frozenset({"run"}), _QT),
    "PySide6.QtCore.QRunnable": (frozenset({"run"}), _QT),
}
"""Base classes, the methods of theirs that run on threads, and how."""

HANDLERS: dict[str, frozenset[str]] = {
    "socketserver.BaseRequestHandler": frozenset({"handle", "setup", "finish"}),
    "socketserver.StreamRequestHandler": frozenset({"handle", "setup", "finish"}),
    "socketserver.DatagramRequestHandler": frozenset({"handle", "setup", "finish"}),
    "http.server.BaseHTTPRequestHandler": frozenset(
        {"handle", "do_GET", "do_POST", "do_PUT", "do_DELETE", "do_HEAD", "do_PATCH", "do_OPTIONS"}
    ),
    "http.server.SimpleHTTPRequestHandler": frozenset(
        {"handle", "do_GET", "do_POST", "do_PUT", "do_DELETE", "do_HEAD", "do_PATCH", "do_OPTIONS"}
    ),
}
"""Request handlers: they run on threads where the program makes a threading server."""

HANDLER = _HANDLER

THREADING_SERVERS = frozenset(
    {
        "http.server.ThreadingHTTPServer", "socketserver.ThreadingMixIn", "socketserver.ThreadingTCPServer", "socketserver.ThreadingUDPServer",
        "socketserver.ThreadingUnixStreamServer", "xmlrpc.server.ThreadingMixIn",
    }
)  # fmt: skip

ROUTES: dict[str, tuple[int, str, Runner]] = {
    "django.urls.path": (1, "view", _DJANGO),
    "django.urls.re_path": (1, "view", _DJANGO),
    "django.conf.urls.url": (1, "view", _DJANGO),
    "flask.Flask.add_url_rule": (2, "view_func", _FLASK),
    "flask.Blueprint.add_url_rule": (2, "view_func", _FLASK),
    "fastapi.FastAPI.add_api_route": (1, "endpoint", _FASTAPI),
    "fastapi.APIRouter.add_api_route": (1, "endpoint", _FASTAPI),
    "starlette.routing.Route": (1, "endpoint", _STARLETTE),
}
"""Calls that are given a function to run for each request: its position and keyword."""

CELERY = Runner("Celery's thread pool runs it", fresh=False, sync_only=True)
WSGI = Runner("the threaded WSGI server runs it for each request", fresh=False, sync_only=True)

TASK_DECORATORS = frozenset({"celery.shared_task", "celery.Celery.task", "celery.app.base.Celery.task"})
"""Celery tasks: on threads only where the program chooses that pool (Celery 5, "Concurrency")."""

SWITCHES: dict[str, tuple[frozenset[str], Runner]] = {
    "worker_pool": (frozenset({"threads"}), CELERY),
    "CELERY_WORKER_POOL": (frozenset({"threads"}), CELERY),
    "worker_class": (frozenset({"gthread", "gunicorn.workers.gthread.ThreadWorker"}), WSGI),
}
"""Settings (a variable or an attribute that is given one of these strings) that make a framework use threads; gunicorn's `worker_class` too."""

WSGI_PARAMETERS = ("environ", "start_response")
"""The parameters of a WSGI application (PEP 3333)."""

DECLARED = Runner("the configuration says that it runs on several threads", fresh=False)
"""For functions that `thread-roots` of the configuration names."""
