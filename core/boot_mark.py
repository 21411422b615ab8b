"""Whether a store whose commits are not flushed to the disk can be trusted.

The kernel keeps what a process has written, whatever happens to the process. A machine that stops may have written some
pages of a commit and others not. So a store carries a mark with the machine's boot ID from its first write until it was
flushed and closed; one that carries the mark of another boot is removed, and built again from Kafka.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def boot_id() -> str:
    """Return what identifies the running time of this machine since it was started."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def mark_dirty(path: Path) -> None:
    """Mark the store in the folder *path*, on the disk before anything is written to the store."""
    with _mark(path).open("w") as file:
        file.write(boot_id())
        file.flush()
        os.fsync(file.fileno())


def mark_clean(path: Path) -> None:
    """Take the mark away; the store has been flushed."""
    _mark(path).unlink(missing_ok=True)


def discard_untrusted(path: Path) -> None:
    """Remove the store in the folder *path* if it was being written when the machine, not only a process, stopped."""
    mark = _mark(path)
    if mark.exists() and mark.read_text() != boot_id():
        shutil.rmtree(path)


def _mark(path: Path) -> Path:
    return path / "dirty"
