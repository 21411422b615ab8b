"""A folder of ours: made when it is absent, and held by one running process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from core.errors import LocalRuntimeError

_LOCK = "lock"


def make_folder(folder: Path, way_out: str) -> Path:
    """Make *folder*, private to this user, if it is absent, and return its absolute path.

    Args:
        folder: The folder; a relative path counts from the working folder.
        way_out: What to do when that fails, as a sentence.

    Raises:
        LocalRuntimeError: It cannot be made or written.
    """
    path = folder.absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LocalRuntimeError(f"Cannot use the folder {path}: {error.strerror}. {way_out}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise LocalRuntimeError(f"Cannot use the folder {path}: it is not writable. {way_out}")
    return path


class FolderLock:
    """Holds a folder until it is released or this process ends, however it ends. The file keeps who holds it.

    Raises:
        LocalRuntimeError: Another process holds the folder; names it.
    """

    def __init__(self, folder: Path, way_out: str) -> None:
        try:
            self._file = (folder / _LOCK).open("a+")
        except OSError as error:
            raise LocalRuntimeError(f"Cannot use the folder {folder}: {error.strerror}. {way_out}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _read(self._file)
            self._file.close()
            raise LocalRuntimeError(
                f"The folder {folder} is in use by a running quick (process {holder}). {way_out}"
            ) from error
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let others hold the folder; the file stays, because removing it would let two processes hold it."""
        self._file.close()


def _read(file: IO[str]) -> str:
    file.seek(0)
    return file.read() or "unknown"
