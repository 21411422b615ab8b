"""One child process: started, watched and ended within a bound."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.child_process import Child, ChildSpec, how_it_ended
from core.errors import LocalRuntimeError

StartShell = Callable[..., Child]

TIMEOUT_S = 60.0


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[StartShell]:
    """Return a function that starts a shell script as a child."""
    children: list[Child] = []

    def start(script: str, *, stop_timeout_s: float = TIMEOUT_S) -> Child:
        spec = ChildSpec(
            name="script",
            argv=("/bin/sh", "-c", script),
            env=os.environ,
            cwd=tmp_path,
            stop_timeout_s=stop_timeout_s,
            output=tmp_path / "output",
        )
        children.append(Child(spec))
        return children[-1]

    yield start
    for child in children:
        child.kill()


def wait_for(file: Path) -> str:
    """Return the first line of *file* as soon as it is there."""
    deadline = time.monotonic() + TIMEOUT_S
    while not (file.exists() and file.read_text().endswith("\n")):
        assert time.monotonic() < deadline, f"{file} was not written in time"
        time.sleep(0.01)
    return file.read_text().splitlines()[0]


def test_a_child_ends_with_its_exit_code(shell: StartShell) -> None:
    assert 3 == shell("exit 3").wait(TIMEOUT_S)


def test_a_running_child_has_no_exit_code(shell: StartShell) -> None:
    child = shell("sleep 600")
    assert child.exit_code() is None
    assert child.wait(0.01) is None


def test_a_child_is_out_of_reach_of_ctrl_c_in_the_terminal(shell: StartShell) -> None:
    child = shell("sleep 600")
    assert child.pid == os.getsid(child.pid) != os.getsid(0)


def test_a_stopped_child_has_ended_in_its_own_way(shell: StartShell, tmp_path: Path) -> None:
    child = shell('trap "echo bye >> end; exit 4" TERM; echo ready > ready; while :; do sleep 0.01; done')
    wait_for(tmp_path / "ready")
    child.stop()
    assert (4, "bye\n") == (child.exit_code(), (tmp_path / "end").read_text())


def test_a_child_that_does_not_end_is_killed_with_all_it_started(
    shell: StartShell, tmp_path: Path, is_running: Callable[[int], bool]
) -> None:
    child = shell('trap "" TERM; sleep 600 & echo $! > grandchild; wait; sleep 600', stop_timeout_s=0.2)
    grandchild = int(wait_for(tmp_path / "grandchild"))
    child.stop()
    assert -signal.SIGKILL == child.exit_code()
    deadline = time.monotonic() + TIMEOUT_S
    while is_running(grandchild):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_stopping_twice_does_no_harm(shell: StartShell) -> None:
    child = shell("exit 0")
    child.wait(TIMEOUT_S)
    child.stop()
    child.stop()
    assert 0 == child.exit_code()


def test_output_is_appended(shell: StartShell, tmp_path: Path) -> None:
    for text in ("one", "two"):
        shell(f"echo {text}; echo {text} >&2").wait(TIMEOUT_S)
    assert ["one", "one", "two", "two"] == (tmp_path / "output").read_text().splitlines()


def test_an_unusable_output_file_is_named(tmp_path: Path) -> None:
    spec = ChildSpec(name="x", argv=("true",), env={}, cwd=tmp_path, output=tmp_path / "no" / "file")
    with pytest.raises(LocalRuntimeError, match=r"^Cannot start x: No such file or directory: .*/no/file"):
        Child(spec)


def test_the_environment_is_not_shown(tmp_path: Path) -> None:
    spec = ChildSpec(name="x", argv=("true",), env={"QUICK_APIKEY": "secret"}, cwd=tmp_path)
    assert "secret" not in repr(spec)


@pytest.mark.parametrize(("code", "words"), [(-9, "signal 9"), (1, "exit code 1"), (0, "exit code 0")])
def test_the_end_in_words(code: int, words: str) -> None:
    assert words == how_it_ended(code)
