"""The folder in which an application keeps what can be made again from Kafka."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path


class DataFolder:
    """A given folder, or a temporary one that goes when nobody refers to it any more, at the latest with the process.

    Args:
        configured: The folder; `None` makes a temporary one.
    """

    def __init__(self, configured: str | None) -> None:
        self._removal: weakref.finalize[[Path, int], DataFolder] | None = None
        if configured:
            self.path = Path(configured)
        else:
            self.path = Path(tempfile.mkdtemp(prefix="quick-"))
            self._removal = weakref.finalize(self, _remove, self.path, os.getpid())

    def close(self) -> None:
        """Remove the folder if it is a temporary one."""
        if self._removal is not None:
            self._removal()


def _remove(path: Path, made_by: int) -> None:
    if os.getpid() == made_by:  # A child of a fork ends without taking its parent's folder along.
        shutil.rmtree(path, ignore_errors=True)
