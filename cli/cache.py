"""The cache folder: what is fetched or made once, for all data folders of a user. It can be deleted at any time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.folder_lock import make_folder
from core.errors import LocalRuntimeError

_WAY_OUT = "Set QUICK_CACHE_DIR to a folder that can be written."


def cache_folder() -> Path:
    """Return the cache folder: `$QUICK_CACHE_DIR`, `$XDG_CACHE_HOME/quick` or `~/.cache/quick`."""
    if named := os.environ.get("QUICK_CACHE_DIR"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quick"


@contextmanager
def locked_cache(cache: Path) -> Iterator[None]:
    """Hold *cache*, made if it is absent: one process at a time puts something into it, the others wait.

    Raises:
        LocalRuntimeError: It cannot be written, also within the `with`.
    """
    make_folder(cache, _WAY_OUT)
    try:
        with (cache / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise LocalRuntimeError(f"Cannot write to {cache}: {error.strerror}. {_WAY_OUT}") from error
