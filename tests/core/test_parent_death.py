"""A child that asked for it cannot outlive its parent, and does not notice the way it was started."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from core.parent_death import dying_with_us
from tests.running import until

PARENT = """
import subprocess, sys
from core.parent_death import dying_with_us
child = subprocess.Popen(dying_with_us(["sleep", "600"]), start_new_session=True)
print(child.pid, flush=True)
child.wait()
"""


def test_a_child_dies_with_its_killed_parent(is_running: Callable[[int], bool]) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_running(pid)
        parent.kill()
    until(lambda: not is_running(pid))


def test_a_child_whose_parent_ended_meanwhile_does_not_start() -> None:
    command = dying_with_us(["echo", "started"])
    somebody_else = "1"
    done = subprocess.run([*command[:4], somebody_else, *command[5:]], capture_output=True, check=False)
    assert (-signal.SIGKILL, b"") == (done.returncode, done.stdout)


def test_the_program_gets_its_arguments_environment_and_exit_code() -> None:
    script = 'echo "$1 $GREETING"; exit 7'
    done = subprocess.run(
        dying_with_us(["/bin/sh", "-c", script, "sh", "two words"]),
        env={"GREETING": "hello"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (7, "two words hello\n") == (done.returncode, done.stdout)


@pytest.mark.parametrize("number", [signal.SIGPIPE, signal.SIGXFSZ])
def test_the_program_does_not_ignore_what_python_ignores(number: signal.Signals) -> None:
    done = subprocess.run(dying_with_us(["/bin/sh", "-c", f"kill -{number} $$"]), check=False)
    assert -number == done.returncode


def test_a_missing_program_is_named() -> None:
    done = subprocess.run(dying_with_us(["/nowhere/java"]), capture_output=True, text=True, check=False)
    assert (1, "Cannot start /nowhere/java: No such file or directory.\n") == (done.returncode, done.stderr)
