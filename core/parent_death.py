"""The parent-death signal: a process that asks for it is killed by the kernel when its parent is gone.

Nothing else does that: after `kill -9` of their parents, gunicorn's workers and Java live on and answer (tried).

Run as a program, this file asks for the signal and then becomes the program named by its arguments. That costs 20 ms
at a start; the alternative, code between fork and exec (`preexec_fn`), may deadlock in a process with threads. So this
file imports nothing of ours.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1

_prctl = ctypes.CDLL(None, use_errno=True).prctl
_prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]


def die_with_parent(parent_pid: int) -> None:
    """Let the kernel kill this process (SIGKILL) when the thread that started it ends. It stays so after an exec.

    A parent that ended before this call is noticed too.

    Args:
        parent_pid: The process that has started this one.

    Raises:
        OSError: The kernel refused.
    """
    if _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), signal.SIGKILL)


def dying_with_us(argv: Sequence[str]) -> list[str]:
    """Return the command line that runs *argv* as a child of this process which cannot outlive it."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *argv]


def _become(parent_pid: int, argv: list[str]) -> None:
    die_with_parent(parent_pid)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores these two, and an exec keeps what is ignored.
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - the program and its arguments are the caller's
    except OSError as error:
        sys.exit(f"Cannot start {argv[0]}: {error.strerror}.")


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
