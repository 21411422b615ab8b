"""Whether this worker was told to end: long answers end themselves then, instead of being cut off.

A server that is told to end waits for the requests under way, and for those that follow something that would be for
ever.
"""

from __future__ import annotations

import threading

_requested = threading.Event()


def request() -> None:
    """Note that the worker is to end; called by its signal handler."""
    _requested.set()


def is_requested() -> bool:
    """Return whether the worker is to end."""
    return _requested.is_set()
