"""Many processes and threads on the same aggregates, while writers and the broker are killed: one sequence for all."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cli.ports import free_port
from core.command_log import CommandLog
from core.log_index import LogIndex
from core.log_topic import LogTopic
from core.parent_death import dying_with_us
from tests.core.hammer import STRICT, digest
from tests.delaying_proxy import DelayingProxy, KafkaBehindProxy
from tests.running import until

ROOT = Path(__file__).parents[2]
THREADS = 3


@pytest.fixture
def kafka_behind_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBehindProxy]:
    with (
        DelayingProxy(free_port()) as proxy,
        KafkaBehindProxy(tmp_path_factory.mktemp("hammered-kafka"), proxy) as kafka,
    ):
        yield kafka


class Writer:
    """A process with threads that write, and what it was told."""

    def __init__(self, topic: LogTopic, folder: Path, report: Path, seed: str) -> None:
        self.folder = folder
        self._report = report
        self._end = 0
        self._accepted = 0
        arguments = (topic.bootstrap, topic.name, str(folder), str(report), seed, str(THREADS))
        command = [sys.executable, "-W", "error", "-m", "tests.core.hammer", *arguments]
        with report.with_suffix(".stderr").open("wb") as stderr:
            self.process = subprocess.Popen(dying_with_us(command), cwd=ROOT, stdin=subprocess.PIPE, stderr=stderr)

    def accepted(self) -> int:
        """Return how many commands it knows to be accepted by now."""
        if self._report.exists():
            with self._report.open("rb") as report:
                report.seek(self._end)
                lines = report.read().rpartition(b"\n")[0]
            self._end += len(lines) + (1 if lines else 0)
            self._accepted += lines.count(b'"accepted"')
            assert b'"failed"' not in lines, self.errors()
        return self._accepted

    def told(self) -> list[dict[str, Any]]:
        if not self._report.exists():
            return []
        return [json.loads(line) for line in self._report.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def is_idle(self) -> bool:
        assert self.process.poll() is None, self.errors()
        told = self.told()
        return bool(told) and told[-1]["what"] == "idle"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self) -> None:
        """Let it tell what it has read, and end."""
        self.process.communicate(b"\n", timeout=60)
        assert 0 == self.process.returncode, self.errors()

    def errors(self) -> str:
        return self._report.with_suffix(".stderr").read_text()


class Hammer:
    """The writers of one topic, those that live and those that were killed."""

    def __init__(self, topic: LogTopic, folder: Path, seed: int) -> None:
        self._topic = topic
        self._folder = folder
        self._random = random.Random(seed)
        self._living: list[Writer] = []
        self.all: list[Writer] = []

    def start(self, machine: str) -> None:
        number = len(self.all)
        report = self._folder / f"writer-{number}.jsonl"
        writer = Writer(self._topic, self._folder / machine, report, f"{self._random.random()}")
        self._living.append(writer)
        self.all.append(writer)

    def go_on(self) -> None:
        """Block until every living writer has had some more commands accepted."""
        wanted = [(writer, writer.accepted() + self._random.randint(5, 30)) for writer in self._living]
        for writer, accepted in wanted:
            until(lambda writer=writer, accepted=accepted: writer.accepted() >= accepted)

    def has_unknown_outcomes(self) -> bool:
        return any(line["what"] == "unknown" for writer in self.all for line in writer.told())

    def kill_one(self) -> None:
        """Kill a writer in the middle of its work, and start another one on the same data folder."""
        killed = self._living.pop(self._random.randrange(len(self._living)))
        killed.kill()
        self.start(killed.folder.name)

    def end(self) -> list[Writer]:
        """Let all finish what they have begun, and return those that have told what they have read."""
        for writer in self._living:
            writer.process.send_signal(signal.SIGTERM)
        until(lambda: all(writer.is_idle() for writer in self._living))
        for writer in self._living:
            writer.end()
        return self._living

    def kill_all(self) -> None:
        for writer in self.all:
            writer.kill()


def test_all_readers_see_one_sequence_and_nobody_was_told_wrongly_while_writers_and_the_broker_were_killed(
    kafka_behind_proxy: KafkaBehindProxy, tmp_path: Path
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - pytest shows it when the test fails
    kafka, proxy = kafka_behind_proxy, kafka_behind_proxy.proxy
    topic = LogTopic(kafka.proxied, "hammered")
    hammer = Hammer(topic, tmp_path, seed)
    try:
        for machine in ("shared", "shared", "other"):
            hammer.start(machine)
        hammer.go_on()
        hammer.kill_one()
        hammer.go_on()
        proxy.cut_answers(3)
        hammer.go_on()
        kafka.kill()
        kafka.start()
        hammer.go_on()
        proxy.lose_answers(4)
        hammer.kill_one()
        hammer.go_on()
        proxy.cut()
        kafka.kill()
        hammer.kill_one()
        until(hammer.has_unknown_outcomes)
        kafka.start()
        hammer.go_on()
        survivors = hammer.end()
    finally:
        hammer.kill_all()

    with (
        closing(CommandLog(topic, tmp_path / "fresh")) as fresh,
        closing(CommandLog(topic, tmp_path / "shared")) as old,
    ):
        seen = digest(fresh.index)
        assert seen == digest(old.index)
        assert [seen] * len(survivors) == [writer.told()[-1]["digest"] for writer in survivors]
        assert_versions_are_unique(fresh.index)
        told = [line for writer in hammer.all for line in writer.told()]
        assert {"accepted", "refused", "unknown"} <= {line["what"] for line in told}  # It was worth the trouble.
        assert_told_right(told, fresh.index)


def assert_versions_are_unique(index: LogIndex) -> None:
    versions = defaultdict(list)
    for _, event in index.notifications(1, sys.maxsize):
        versions[event.originator_id].append(event.originator_version)
    for name, found in versions.items():
        assert len(set(found)) == len(found), name
    for name in STRICT:
        assert list(range(1, len(versions[name]) + 1)) == versions[name]


def assert_told_right(told: list[dict[str, Any]], index: LogIndex) -> None:
    """Compare what writers were told with what the log holds."""
    recorded: dict[str, Any] = defaultdict(list)
    for _, event in index.notifications(1, sys.maxsize):
        recorded[event.state.decode()].append((event.originator_id, event.originator_version))
    tries = defaultdict(list)
    for line in told:
        if line["what"] == "try":
            tries[line["id"]].append([tuple(version) for version in line["versions"]])
    assert recorded.keys() <= tries.keys()
    for command_id, versions in recorded.items():
        assert versions in tries[command_id]
    wrong = [line for line in told if not is_right(line, index)]
    assert [] == wrong[:5], Counter(line["what"] for line in told)


def is_right(line: dict[str, Any], index: LogIndex) -> bool:
    if line["what"] in {"try", "unknown", "idle", "digest"}:
        return True
    outcome = index.outcome(line["id"]) if "id" in line else None
    match line:
        case {"what": "accepted", "ids": ids}:
            return outcome is not None and not outcome.is_voided and ids == outcome.notification_ids
        case {"what": "repeated", "position": position}:
            return outcome is not None and not outcome.is_voided and position == outcome.last_id
        case {"what": "not recorded"}:
            return outcome is not None and outcome.is_voided
        case {"what": "refused", "id": command_id}:
            return outcome is None or command_id.startswith("shared-")  # Another writer's may be accepted.
    return False
