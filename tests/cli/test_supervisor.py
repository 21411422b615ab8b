"""Supervised programs: started again when they end, ended in order, and never left behind."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import psutil
import pytest

from cli import supervisor as supervisor_module
from cli.child_process import ChildSpec
from cli.supervisor import Supervisor

DEADLINE_S = 60.0
ROOT = Path(__file__).parents[2]

PROGRAM = """
import json, os, sys
from pathlib import Path
import rich_click as click
from cli.child_process import ChildSpec
from cli.instance import until_stopped
from cli.supervisor import Supervisor

folder = Path(sys.argv[1])
with until_stopped(), Supervisor(lambda line: click.echo(line, err=True)) as supervisor:
    for name, script, stop_timeout_s in json.loads(sys.argv[2]):
        argv = ("/bin/sh", "-c", f"echo $$ >> {name}.pids; {script}")
        supervisor.start(ChildSpec(name=name, argv=argv, env=os.environ, cwd=folder, stop_timeout_s=stop_timeout_s))
    supervisor.run()
"""

SLEEP = "exec sleep 600"
NOTES_ITS_END = 'trap "echo $0 >> ends; exit 0" TERM; echo ready >> ready; while :; do sleep 0.01; done'
STUBBORN = 'trap "echo asked >> asked" TERM; echo ready >> ready; while :; do sleep 0.01; done'


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


class Supervised:
    """A supervisor in a process of its own, and what it and its children wrote."""

    def __init__(self, folder: Path, children: list[tuple[str, str, float]], **more: Any) -> None:
        self._folder = folder
        self._stderr: IO[bytes] = (folder / "stderr").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder), json.dumps(children)], cwd=ROOT, stderr=self._stderr, **more
        )

    def lines(self, name: str) -> list[str]:
        file = self._folder / name
        return file.read_text().splitlines() if file.exists() else []

    def pids(self, name: str, count: int = 1) -> list[int]:
        """Wait until the child *name* was started *count* times, and return its process ids."""
        until(lambda: len(self.lines(f"{name}.pids")) >= count)
        return [int(line) for line in self.lines(f"{name}.pids")]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._stderr.close()


StartSupervised = Callable[..., Supervised]
IsRunning = Callable[[int], bool]


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[StartSupervised]:
    started: list[Supervised] = []

    def start(*children: tuple[str, str, float], **more: Any) -> Supervised:
        started.append(Supervised(tmp_path, list(children), **more))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_a_killed_child_is_started_again_and_that_is_said(supervised: StartSupervised) -> None:
    watched = supervised(("projector", SLEEP, 5))
    os.kill(watched.pids("projector")[0], signal.SIGKILL)
    first, second = watched.pids("projector", 2)
    assert first != second
    assert ["projector ended with signal 9; starting it again in 0.1 s"] == watched.lines("stderr")


def test_the_pause_before_a_start_doubles(supervised: StartSupervised) -> None:
    watched = supervised(("broker", "exit 3", 5))
    watched.pids("broker", 5)
    expected = [f"broker ended with exit code 3; starting it again in {pause} s" for pause in ("0.1", "0.2", "0.4")]
    assert expected == watched.lines("stderr")[:3]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_signal_ends_the_children_in_reverse_order(supervised: StartSupervised, number: signal.Signals) -> None:
    named = [NOTES_ITS_END.replace("$0", name) for name in ("broker", "projector", "web")]
    watched = supervised(*((name, named[at], 60) for at, name in enumerate(("broker", "projector", "web"))))
    until(lambda: len(watched.lines("ready")) == 3)
    watched.process.send_signal(number)
    assert 0 == watched.process.wait(DEADLINE_S)
    assert ["web", "projector", "broker"] == watched.lines("ends")
    assert [] == watched.lines("stderr")


def test_a_child_that_does_not_end_in_time_is_killed(supervised: StartSupervised, is_running: IsRunning) -> None:
    watched = supervised(("web", STUBBORN, 0.3))
    until(lambda: watched.lines("ready"))
    watched.process.terminate()
    assert 0 == watched.process.wait(DEADLINE_S)
    assert not is_running(watched.pids("web")[0])
    assert ["web did not end within 0.3 s and is killed"] == watched.lines("stderr")


def test_a_second_ctrl_c_kills_at_once(supervised: StartSupervised, is_running: IsRunning) -> None:
    watched = supervised(("broker", SLEEP, 600), ("web", STUBBORN, 600))
    pids = [watched.pids(name)[0] for name in ("broker", "web")]
    until(lambda: watched.lines("ready"))
    watched.process.send_signal(signal.SIGINT)
    until(lambda: watched.lines("asked"))
    watched.process.send_signal(signal.SIGINT)
    assert 1 == watched.process.wait(DEADLINE_S)
    assert not any(is_running(pid) for pid in pids)


def test_a_killed_supervisor_leaves_no_process(supervised: StartSupervised, is_running: IsRunning) -> None:
    watched = supervised(("broker", SLEEP, 5), ("web", STUBBORN, 5))
    pids = [watched.pids("broker")[0], watched.pids("web")[0]]
    until(lambda: watched.lines("ready"))
    watched.process.kill()
    until(lambda: not any(is_running(pid) for pid in pids))


def test_a_child_that_waits_to_be_started_again_does_not_hold_up_the_end(supervised: StartSupervised) -> None:
    watched = supervised(("web", "exit 1", 5))
    until(lambda: len(watched.lines("stderr")) >= 4)
    watched.process.terminate()
    assert 0 == watched.process.wait(DEADLINE_S)


def test_nohup_is_respected(supervised: StartSupervised) -> None:
    watched = supervised(("web", SLEEP, 5), preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    (first,) = watched.pids("web")
    watched.process.send_signal(signal.SIGHUP)
    os.kill(first, signal.SIGKILL)
    watched.pids("web", 2)
    assert watched.process.poll() is None


def test_children_may_open_as_many_files_as_the_system_grants(supervised: StartSupervised) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = (min(256, hard), hard)
    watched = supervised(
        ("web", "ulimit -n >> limit; exec sleep 600", 5),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, few),
    )
    until(lambda: watched.lines("limit"))
    assert ["unlimited" if hard == resource.RLIM_INFINITY else str(hard)] == watched.lines("limit")


def test_a_supervisor_with_healthy_children_sleeps(supervised: StartSupervised) -> None:
    watched = supervised(("web", SLEEP, 5))
    watched.pids("web")
    process = psutil.Process(watched.process.pid)

    def is_asleep() -> bool:
        before = process.num_ctx_switches()
        time.sleep(0.3)  # Nothing announces that nothing happens.
        return bool(before == process.num_ctx_switches())

    until(is_asleep)


def test_a_child_that_ran_long_enough_starts_again_after_the_first_pause(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(supervisor_module, "PROVEN_AFTER_S", 0.0)
    said: list[str] = []
    with Supervisor(said.append) as supervisor:
        supervisor.start(ChildSpec(name="web", argv=("true",), env=os.environ, cwd=tmp_path))
        deadline = time.monotonic() + DEADLINE_S
        while len(said) < 3 and time.monotonic() < deadline:
            supervisor.tend(1.0)
    assert ["web ended with exit code 0; starting it again in 0.1 s"] * 3 == said[:3]


def test_signals_are_handled_as_before_once_the_supervisor_is_left() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)]
    with Supervisor(print):
        pass
    assert before == [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)]
