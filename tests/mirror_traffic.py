"""Traffic on one mirror whose projector is killed meanwhile: a writer that knows what is right, and a strict reader."""

from __future__ import annotations

import contextlib
import random
import signal
import struct
import sys
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

from core.kafka_admin import KafkaAdmin
from core.kafka_writer import OutRecord, RecordWriter
from projections.mirrors import MirrorView
from projections.places import current
from tests.running import Running, until

BATCH = 250
KEYS = 3_000
LASTING = 1_000
"""Keys below this are never deleted, so who has seen one has to see it again."""

IMPATIENT = (
    sys.executable,
    "-c",
    "from cli import main, supervisor; supervisor.PROVEN_AFTER_S = 0.0; main.main()",
)
"""`quick` with a supervisor that never waits longer than the first time: its pauses would add up to minutes."""

_key = struct.Struct(">q")


class Writer(threading.Thread):
    """Writes to random keys and deletes some, as the only writer of its topic."""

    def __init__(self, kafka: str, topic: str, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.newest: dict[int, int] = defaultdict(int)
        """Number of the last record that may have been written to a key; each record has a number of its own."""
        self.content: dict[int, str] = {}
        """What the topic holds, once the writer is done."""
        self.written = 0
        self._writer = RecordWriter(kafka, linger_ms=1)
        self._topic = topic
        self._chance = chance
        self._wanted = 0
        self._is_stopping = False
        self._changed = threading.Condition()

    def want_more(self, records: int) -> None:
        """Write on, until so many *records* more than were wanted before are written."""
        with self._changed:
            self._wanted += records
            self._changed.notify()

    def is_done(self) -> bool:
        """Return whether all that is wanted is written."""
        return self.written == self._wanted

    def stop(self) -> None:
        """End when all that is wanted is written."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        self.join()

    def run(self) -> None:
        while self._has_more():
            self._write(min(BATCH, self._wanted - self.written))
        self._writer.close()

    def _has_more(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopping or self.written < self._wanted)
            return self.written < self._wanted

    def _write(self, count: int) -> None:
        records = []
        for number in range(self.written, self.written + count):
            key = self._chance.randrange(KEYS)
            self.newest[key] = number
            value = None if key >= LASTING and self._chance.random() < 0.3 else f"v{number}"
            if value is None:
                self.content.pop(key, None)
            else:
                self.content[key] = value
            records.append(OutRecord(_key.pack(key), None if value is None else value.encode()))
        self._writer.write(self._topic, records).result(60)
        self.written += count


class Reader(threading.Thread):
    """Asks for random keys all the time: what was answered once is answered again, never with an older value.

    Args:
        may_be_cut_off: Whether connections may end without an answer, as they do when a worker is killed.
    """

    def __init__(
        self, running: Running, topic: str, writer: Writer, chance: random.Random, *, may_be_cut_off: bool = False
    ) -> None:
        super().__init__(daemon=True)
        self.failures: list[str] = []
        self.cut_off = 0
        self.answers = 0
        self._seen: dict[int, int] = {}
        self._running = running
        self._topic = topic
        self._writer = writer
        self._chance = chance
        self._may_be_cut_off = may_be_cut_off
        self._stopping = threading.Event()

    def run(self) -> None:
        with self._running.http() as http:
            while not self._stopping.is_set() and not self.failures:
                try:
                    self._ask(http, self._chance.randrange(LASTING))
                except httpx.TransportError as error:
                    self.cut_off += 1
                    if not self._may_be_cut_off:
                        self.failures.append(f"no answer: {error!r}")

    def stop(self) -> None:
        self._stopping.set()
        self.join()

    def _ask(self, http: httpx.Client, key: int) -> None:
        answer = http.get(f"/mirror/{self._topic}/mirror/{key}")
        seen = self._seen.get(key)
        if answer.status_code == 404 and seen is None:
            return
        if answer.status_code != 200:
            self.failures.append(f"key {key}: {answer.status_code} {answer.text}, after v{seen}")
            return
        number, newest = int(answer.json()["value"].removeprefix("v")), self._writer.newest[key]
        if not (seen or 0) <= number <= newest:
            self.failures.append(f"key {key}: v{number} after v{seen}, and no newer one than v{newest} was written")
        self._seen[key] = number
        self.answers += 1


class Target:
    """A mirrored topic of a running Quick, and the process that folds it."""

    def __init__(self, running: Running, topic: str) -> None:
        self._running = running
        self.topic = topic
        with running.http() as http:
            made = http.post(f"/manager/topic/{topic}", params={"keyType": "long", "valueType": "string"}, json={})
            assert 200 == made.status_code, made.text
            until(lambda: http.get(f"/mirror/{topic}/mirror/1").status_code == 404)
        self._path = _mirror_of(running, topic)
        self._view = MirrorView(self._path)

    @property
    def store(self) -> Path:
        """Return the file of the mirror."""
        return self._path / "data.mdb"

    def folded(self) -> int:
        """Return how many records are folded and visible."""
        return sum(self._view.offsets().values())

    def content(self) -> dict[int, str]:
        return {_key.unpack(entry.key)[0]: entry.value.decode() for entry in self._view.all()}

    def close(self) -> None:
        self._view.close()

    def projector(self) -> psutil.Process:
        """Return the projector process; wait for the next one when the last one has ended."""
        found: list[psutil.Process] = []

        def is_there() -> bool:
            assert self._running.process is not None
            for process in psutil.Process(self._running.process.pid).children():
                with contextlib.suppress(psutil.Error):
                    if "projections.projector" in process.cmdline():
                        found.append(process)
            return bool(found)

        until(is_there)
        return found[0]


def kill(process: psutil.Process) -> None:
    """End *process* at once, and wait until it has ended."""
    process.send_signal(signal.SIGKILL)

    def has_ended() -> bool:
        try:
            return bool(process.status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True

    until(has_ended)


def kill_while_folding(target: Target, writer: Writer, records: int, chance: random.Random) -> None:
    """Let *records* more be written, and kill the projector when it has folded a part of them, or while it starts."""
    victim, enough = target.projector(), target.folded() + chance.randrange(records)
    writer.want_more(records)
    if chance.random() < 0.7:
        until(lambda: target.folded() >= enough)
    kill(victim)


def settled(target: Target, writer: Writer) -> Callable[[], bool]:
    """Return whether everything that is wanted is written and folded, as a condition."""
    return lambda: writer.is_done() and target.folded() == writer.written


def _mirror_of(running: Running, topic: str) -> Path:
    folder, facts = current(running.data_dir), KafkaAdmin(running.kafka).describe(topic)
    assert folder is not None, "a projector runs on it"
    assert facts is not None, "it was created"
    return folder.mirror(facts.topic_id).resolve(strict=True)
