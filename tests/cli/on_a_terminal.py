"""The CLI with a terminal for its errors, where it says what scripts must not see."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Callable


def on_a_terminal(start: Callable[..., subprocess.Popen[bytes]], *arguments: str) -> str:
    """Return what the CLI writes to stderr when that is a terminal."""
    ours, theirs = pty.openpty()
    process = start(*arguments, stderr=theirs)
    os.close(theirs)
    written = b""
    try:
        while piece := os.read(ours, 10_000):
            written += piece
    except OSError:  # As Linux tells that nobody writes any more.
        pass
    os.close(ours)
    process.communicate(timeout=60)
    return written.decode().replace("\r\n", "\n")
