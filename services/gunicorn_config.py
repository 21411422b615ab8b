"""gunicorn's settings for the HTTP services. Address and number of workers come from its command line.

gunicorn ignores the names in here that it does not know.
"""

from __future__ import annotations

import gc
import importlib
import os
from typing import Protocol

from core.parent_death import die_with_parent


class Master(Protocol):
    """What gunicorn tells the hooks about its master process."""

    pid: int


worker_class = "services.uvicorn_worker.UvicornWorker"

keepalive = 75
"""Seconds that an idle connection stays open: longer than the 60 s for which proxies keep theirs."""

timeout = 30
"""Seconds without a sign of life after which a worker is taken to hang and is replaced."""

graceful_timeout = 8
"""Seconds that requests under way get when a worker is told to end."""

control_socket_disable = True
"""gunicorn 25 and later would open a socket in the home directory otherwise."""

loglevel = os.environ.get("QUICK_LOG_LEVEL", "WARNING").lower()


def on_starting(server: Master) -> None:
    """Import the application before the workers are forked, so that they share its code; nothing is opened yet."""
    importlib.import_module("services.app")
    gc.collect()
    gc.freeze()  # A collection would write into every object, and so copy the shared pages into each worker.


def post_fork(server: Master, worker: object) -> None:
    """Let a worker die with its master, which gunicorn does not see to itself when the master is killed."""
    die_with_parent(server.pid)
