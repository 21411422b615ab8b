"""Waiting for tracking, local and in the log, written by this process or by another one."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from eventsourcing import persistence
from eventsourcing.persistence import OperationalError, Tracking, TrackingRecorder, WaitInterruptedError
from eventsourcing.utils import Environment

from core.kafka_writer import OutRecord, RecordWriter
from core.recorder import KafkaFactory
from tests.running import until

DEADLINE_S = 60.0

WRITER = """
import sys
from eventsourcing.persistence import Tracking
from eventsourcing.utils import Environment
from core.recorder import KafkaFactory

name, kind, bootstrap, folder = sys.argv[1:]
factory = KafkaFactory(Environment(name, {"QUICK_KAFKA_BOOTSTRAP_SERVER": bootstrap, "QUICK_DATA_DIR": folder}))
recorder = getattr(factory, kind)()
print("open", flush=True)
for number in sys.stdin:
    recorder.insert_tracking(Tracking("upstream", int(number)))
factory.close()
"""
"""Tracks what it is told to."""


class Place:
    """Recorders of one kind on one topic and folder."""

    def __init__(self, kind: str, kafka: str, folder: Path) -> None:
        self.kind, self.kafka, self.folder = kind, kafka, folder
        self.topic = f"tracking-{uuid.uuid4().hex}"
        self.factories: list[KafkaFactory] = []
        self.writers: list[subprocess.Popen[str]] = []

    def factory(self) -> KafkaFactory:
        settings = {"QUICK_KAFKA_BOOTSTRAP_SERVER": self.kafka, "QUICK_DATA_DIR": str(self.folder)}
        factory = KafkaFactory(Environment(self.topic, settings))
        self.factories.append(factory)
        return factory

    def recorder(self) -> TrackingRecorder:
        recorder = getattr(self.factory(), self.kind)()
        assert isinstance(recorder, TrackingRecorder)
        return recorder

    def writer_elsewhere(self) -> Callable[[int], None]:
        """Start a process that tracks what the returned function is called with."""
        arguments = [self.topic, self.kind, self.kafka, str(self.folder)]
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.writers.append(writer)
        assert writer.stdin is not None
        assert writer.stdout is not None
        assert "open\n" == writer.stdout.readline()
        stdin = writer.stdin

        def write(number: int) -> None:
            stdin.write(f"{number}\n")
            stdin.flush()

        return write

    def close(self) -> None:
        for factory in self.factories:
            factory.close()
        for writer in self.writers:
            writer.communicate(timeout=DEADLINE_S)
            assert 0 == writer.returncode


@pytest.fixture(params=["tracking_recorder", "process_recorder"])
def place(request: pytest.FixtureRequest, kafka: str, tmp_path: Path) -> Iterator[Place]:
    place = Place(request.param, kafka, tmp_path)
    yield place
    place.close()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as threads:
        yield threads


class Looks:
    """Counts how often a recorder looks."""

    def __init__(self, recorder: TrackingRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        look = recorder.has_tracking_id

        def counted(application_name: str, notification_id: int | None) -> bool:
            self.count += 1
            return look(application_name, notification_id)

        monkeypatch.setattr(recorder, "has_tracking_id", counted)


@pytest.fixture
def _no_long_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a wait that sleeps as the library's does."""

    def sleep(seconds: float) -> None:
        pytest.fail(f"slept {seconds} s")

    monkeypatch.setattr(persistence, "sleep", sleep)


def wait_in(threads: ThreadPoolExecutor, recorder: TrackingRecorder, monkeypatch: pytest.MonkeyPatch) -> Future[None]:
    """Wait in another thread for event 21, and return once that thread does."""
    looks = Looks(recorder, monkeypatch)
    waiting = threads.submit(recorder.wait, "upstream", 21, DEADLINE_S)
    until(lambda: looks.count > 1)
    return waiting


@pytest.mark.usefixtures("_no_long_sleep")
def test_what_another_thread_tracks_is_noticed_without_the_librarys_sleeps(
    place: Place, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = place.recorder()
    waiting = wait_in(threads, recorder, monkeypatch)
    recorder.insert_tracking(Tracking("upstream", 20))
    assert not waiting.done()
    recorder.insert_tracking(Tracking("upstream", 21))
    assert waiting.result(DEADLINE_S) is None


@pytest.mark.usefixtures("_no_long_sleep")
@pytest.mark.parametrize("opens_first", ["here", "elsewhere"])
def test_what_another_process_tracks_is_noticed_whoever_folds(
    place: Place, opens_first: str, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who opens the log first folds it, and the other one watches.
    if opens_first == "here":
        recorder = place.recorder()
        write = place.writer_elsewhere()
    else:
        write = place.writer_elsewhere()
        recorder = place.recorder()
    waiting = wait_in(threads, recorder, monkeypatch)
    write(21)
    assert waiting.result(DEADLINE_S) is None


class Pauses(threading.Event):
    """An interrupt that never comes, and how long was waited for it each time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_s: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.asked_s.append(timeout)
        return super().wait(timeout)


def test_a_wait_looks_many_times_as_often_as_the_librarys(place: Place) -> None:
    recorder, of_the_library, ours = place.recorder(), Pauses(), Pauses()
    with pytest.raises(TimeoutError):
        TrackingRecorder.wait(recorder, "upstream", 21, timeout=0, interrupt=of_the_library)
    with pytest.raises(TimeoutError):
        recorder.wait("upstream", 21, timeout=1, interrupt=ours)
    assert 3 * max(ours.asked_s) < min(of_the_library.asked_s)


def test_a_wait_that_times_out_names_what_it_waited_for(place: Place) -> None:
    with pytest.raises(TimeoutError, match=r"Event 21 of upstream was not processed within 0\.01 s"):
        place.recorder().wait("upstream", 21, timeout=0.01)


def test_a_timeout_of_zero_looks_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = place.recorder()
    looks = Looks(recorder, monkeypatch)
    with pytest.raises(TimeoutError):
        recorder.wait("upstream", 21, timeout=0)
    recorder.insert_tracking(Tracking("upstream", 21))
    recorder.wait("upstream", 21, timeout=0)
    assert 2 == looks.count


def test_an_interrupt_ends_a_wait(place: Place, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, interrupt = place.recorder(), threading.Event()
    looks = Looks(recorder, monkeypatch)
    waiting = threads.submit(recorder.wait, "upstream", 21, DEADLINE_S, interrupt)
    until(lambda: looks.count > 1)
    interrupt.set()
    with pytest.raises(WaitInterruptedError):
        waiting.result(DEADLINE_S)


def test_what_is_tracked_already_is_not_interrupted(place: Place) -> None:
    recorder, interrupt = place.recorder(), threading.Event()
    interrupt.set()
    recorder.insert_tracking(Tracking("upstream", 21))
    recorder.wait("upstream", 21, interrupt=interrupt)
    recorder.wait("upstream", None, interrupt=interrupt)


def test_a_log_that_cannot_be_followed_any_more_ends_a_wait(kafka: str, tmp_path: Path) -> None:
    with closing(Place("process_recorder", kafka, tmp_path)) as place:
        recorder = place.recorder()
        recorder.insert_tracking(Tracking("upstream", 20))
        with closing(RecordWriter(kafka, delivery_timeout_s=DEADLINE_S)) as writer:
            writer.write(place.topic, [OutRecord(None, b"no record of ours")]).result(DEADLINE_S)
        with pytest.raises(OperationalError, match=f"Cannot read the record at {place.topic}"):
            recorder.wait("upstream", 21, timeout=DEADLINE_S)
        recorder.wait("upstream", 20)
