"""Signals as something to wait for, instead of something that interrupts."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

_Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None


class SignalInbox:
    """Collects signals while it is entered; to be used by the main thread.

    Args:
        numbers: The signals to collect. One that is ignored when the inbox is entered stays ignored.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        self._numbers = numbers
        self._previous: dict[signal.Signals, _Handler] = {}

    def __enter__(self) -> Self:
        self._read_end, self._write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._previous_fd = signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        for number in self._numbers:
            if signal.getsignal(number) is not signal.SIG_IGN:
                # The handler does nothing, but without one the number would not be written to the pipe.
                self._previous[number] = signal.signal(number, lambda *_: None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._previous_fd)
        os.close(self._read_end)
        os.close(self._write_end)

    def wait(self, timeout_s: float | None) -> list[int]:
        """Sleep until a signal arrives, at most *timeout_s* seconds; return all that came since the last call."""
        bound_s = None if timeout_s is None else max(0.0, timeout_s)
        readable, _, _ = select.select([self._read_end], [], [], bound_s)
        return list(os.read(self._read_end, 4096)) if readable else []
