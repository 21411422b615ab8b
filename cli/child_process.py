"""One child process: it cannot outlive us, Ctrl-C in the terminal does not reach it, and it ends within a bound."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from core.errors import LocalRuntimeError
from core.parent_death import dying_with_us

_STDERR = 2


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """What to start, and how to stop it."""

    name: str
    """What messages call the process."""

    argv: tuple[str, ...]
    """Program and arguments. Everybody on the machine can read them: secrets belong into `env`.

    A program that is missing shows as exit code 1 with a line on stderr.
    """

    env: Mapping[str, str] = field(repr=False)
    """The whole environment."""

    cwd: Path
    """The working folder."""

    stop_timeout_s: float = 10.0
    """Seconds that an orderly end may take, before the process and all that it started are killed."""

    output: Path | None = None
    """File to which stdout and stderr are appended; `None` joins both to our stderr."""

    inherited_fds: tuple[int, ...] = ()
    """File descriptors that the process gets under the same numbers."""


class Child:
    """A started process, the leader of a session of its own.

    Must be started by a thread that lives as long as the process shall: it is killed when that thread ends.

    Raises:
        LocalRuntimeError: The working folder or the output file cannot be used.
    """

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        try:
            self._process = _start(spec)
        except OSError as error:
            raise LocalRuntimeError(
                f"Cannot start {spec.name}: {error.strerror}: {error.filename}. Check that it is there and usable."
            ) from error

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """Return how the process ended: its exit code, the negative number of a signal, `None` while it runs."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> int | None:
        """Wait for the end, at most *timeout_s* seconds, and return what `exit_code` returns."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def terminate(self) -> None:
        """Ask the process to end in an orderly way."""
        self._process.terminate()

    def kill(self) -> None:
        """End the process, and what it has started, at once."""
        if self._process.poll() is None:
            # Until it is waited for, its process group cannot be anybody else's.
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End the process in an orderly way, or by force when that takes longer than `stop_timeout_s`."""
        self.terminate()
        try:
            self.wait(self.spec.stop_timeout_s)
        finally:
            self.kill()


def how_it_ended(exit_code: int) -> str:
    """Return *exit_code*, as `Child.exit_code` returns it, in words."""
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"


def _start(spec: ChildSpec) -> subprocess.Popen[bytes]:
    if spec.output is None:
        return _popen(spec, _STDERR)
    with spec.output.open("ab") as output:
        return _popen(spec, output)


def _popen(spec: ChildSpec, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - the program and its arguments are ours
        dying_with_us(spec.argv),
        env=dict(spec.env),
        cwd=spec.cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=spec.inherited_fds,
        start_new_session=True,
    )
