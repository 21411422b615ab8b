"""Keeps a few processes running until it is told to stop, then ends them in order.

A child that ends is started again after a pause that doubles each time. Whether a child is ready is for others to know.
The children die with this process, also after `kill -9` (see core.parent_death).
"""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from cli.child_process import Child, ChildSpec, how_it_ended
from cli.signal_inbox import SignalInbox
from core.errors import LocalRuntimeError

FIRST_PAUSE_S = 0.1
"""How long to wait before a child that ended is started again."""

LONGEST_PAUSE_S = 10.0
"""The pause doubles up to this."""

PROVEN_AFTER_S = 30.0
"""A child that ran for so long is taken to be healthy: its next pause is the first one again."""

_STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


class Supervisor:
    """Supervises children while it is entered; to be used by the main thread.

    Leaving it stops the children in the reverse order of their start. A second Ctrl-C meanwhile kills them at once.

    Args:
        say: Takes one line for the people who watch.

    Raises:
        SystemExit: On leaving, after a second Ctrl-C.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._supervised: list[_Supervised] = []
        self._inbox = SignalInbox(*_STOP_SIGNALS, signal.SIGCHLD)

    def __enter__(self) -> Self:
        raise_open_files_limit()
        self._inbox.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            was_orderly = self._stop()
        finally:
            self._inbox.__exit__(kind, error, trace)
        if not was_orderly:
            raise SystemExit(1)

    def start(self, spec: ChildSpec) -> None:
        """Start a child.

        Raises:
            LocalRuntimeError: It cannot be started.
        """
        self.adopt(Child(spec))

    def adopt(self, child: Child) -> None:
        """Look after a child that the main thread has started already."""
        self._supervised.append(_Supervised(child))

    def run(self) -> None:
        """Look after the children until a stop signal comes.

        Raises:
            KeyboardInterrupt: SIGINT, SIGTERM or SIGHUP came.
        """
        while True:
            self.tend(None)

    def tend(self, timeout_s: float | None) -> None:
        """Look after the children once, then sleep until something happens, at most *timeout_s* seconds.

        Raises:
            KeyboardInterrupt: SIGINT, SIGTERM or SIGHUP came.
        """
        for one in self._supervised:
            one.tend(self._say)
        if _STOP_SIGNALS.intersection(self._inbox.wait(self._time_to_sleep(timeout_s))):
            raise KeyboardInterrupt

    def _time_to_sleep(self, timeout_s: float | None) -> float | None:
        dues = [one.due - time.monotonic() for one in self._supervised if one.due is not None]
        if timeout_s is not None:
            dues.append(timeout_s)
        return max(0.0, min(dues)) if dues else None

    def _stop(self) -> bool:
        """Stop all children and return whether that was orderly."""
        for one in reversed(self._supervised):
            one.child.terminate()
            if not self._has_ended(one.child):
                for each in self._supervised:
                    each.child.kill()
                return False
        return True

    def _has_ended(self, child: Child) -> bool:
        """Wait until *child* has ended, by force when it takes too long; return `False` on Ctrl-C."""
        deadline = time.monotonic() + child.spec.stop_timeout_s
        while child.exit_code() is None:
            if time.monotonic() >= deadline:
                self._say(f"{child.spec.name} did not end within {child.spec.stop_timeout_s:g} s and is killed")
                child.kill()
            elif signal.SIGINT in self._inbox.wait(deadline - time.monotonic()):
                return False
        return True


class _Supervised:
    """A child, and when it is started again if it has ended."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.due: float | None = None
        self._started = time.monotonic()
        self._pause_s = FIRST_PAUSE_S

    def tend(self, say: Callable[[str], None]) -> None:
        exit_code = self.child.exit_code()
        if exit_code is None:
            return
        if self.due is None:
            self._plan_start(f"{self.child.spec.name} ended with {how_it_ended(exit_code)}", say)
        elif time.monotonic() >= self.due:
            self._start_again(say)

    def _plan_start(self, what: str, say: Callable[[str], None]) -> None:
        if time.monotonic() - self._started >= PROVEN_AFTER_S:
            self._pause_s = FIRST_PAUSE_S
        output = self.child.spec.output
        where = "" if output is None else f" (see {output})"
        say(f"{what}{where}; starting it again in {self._pause_s:g} s")
        self.due = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _start_again(self, say: Callable[[str], None]) -> None:
        self._started, self.due = time.monotonic(), None
        try:
            self.child = Child(self.child.spec)
        except LocalRuntimeError as error:
            self._plan_start(str(error).removesuffix("."), say)


def raise_open_files_limit() -> None:
    """Let this process and its children open as many files as the system grants: 339 mirrors need more than 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
