"""How far a copy is that is built beside the one that answers; it is told in a file, by the process that builds."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

_NAME = "progress.json"


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What a build has done."""

    records: int
    """Records that were read since the process began."""
    bytes: int
    """Bytes of their keys and values."""
    passed: int
    """Offsets that were passed, gaps of compaction included."""
    total: int
    """Offsets that were to be passed when the process began."""
    began_at_ms: int

    def eta_s(self) -> float | None:
        """Return after how many seconds it will be done at this pace, `None` while there is no pace yet."""
        elapsed_s = time.time() - self.began_at_ms / 1000
        return elapsed_s * max(0, self.total - self.passed) / self.passed if self.passed else None


def write_progress(copy: Path, progress: Progress) -> None:
    """Tell the progress of the build of *copy*."""
    fresh = copy / f"{_NAME}.new"
    fresh.write_bytes(msgspec.json.encode(progress))
    fresh.replace(copy / _NAME)


def read_progress(copy: Path) -> Progress | None:
    """Return the progress of the build of *copy*, `None` before it has begun or when it is no longer built."""
    try:
        return msgspec.json.decode((copy / _NAME).read_bytes(), type=Progress)
    except FileNotFoundError:
        return None
