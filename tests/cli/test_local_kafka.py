"""A real broker: its data outlives it, and what keeps it from starting is said in one sentence."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli.cache import cache_folder
from cli.kafka_jars import kafka_jars
from cli.local_kafka import LocalKafka
from cli.ports import free_port
from core.errors import LocalRuntimeError
from core.kafka_admin import KafkaAdmin
from core.kafka_reader import log_consumer, next_batch
from core.kafka_writer import OutRecord, RecordWriter

StartBroker = Callable[..., LocalKafka]
IsRunning = Callable[[int], bool]


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return folder


@pytest.fixture
def no_java_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)


@pytest.fixture
def path_without_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def produce(bootstrap: str, topic: str, value: bytes) -> int:
    writer = RecordWriter(bootstrap)
    try:
        return writer.write(topic, [OutRecord(b"key", value)]).result(timeout=90)[0].offset
    finally:
        writer.close()


def first_value(bootstrap: str, topic: str) -> bytes | None:
    errors: list[object] = []
    consumer = log_consumer(bootstrap, topic, 0, errors.append)
    try:
        (message,) = next_batch(consumer, limit=1, timeout_s=90)
        assert message.error() is None
        return message.value()
    finally:
        consumer.close()


def test_records_cluster_and_address_outlive_a_stop(broker: StartBroker, topic_name: str) -> None:
    kafka = broker()
    address, cluster_id = kafka.bootstrap, KafkaAdmin(kafka.bootstrap).cluster_id()
    KafkaAdmin(address).create_topic(topic_name, partitions=1, replication_factor=1, config={})
    assert 0 == produce(address, topic_name, b"kept")
    kafka.stop()
    kafka.start()
    assert address == kafka.bootstrap
    assert cluster_id == KafkaAdmin(address).cluster_id()
    assert b"kept" == first_value(address, topic_name)


def test_records_outlive_a_kill(broker: StartBroker, topic_name: str) -> None:
    kafka = broker()
    KafkaAdmin(kafka.bootstrap).create_topic(topic_name, partitions=1, replication_factor=1, config={})
    assert 0 == produce(kafka.bootstrap, topic_name, b"kept")
    kafka.kill()
    kafka.start()
    assert b"kept" == first_value(kafka.bootstrap, topic_name)


def test_a_port_that_was_taken_meanwhile_is_replaced(broker: StartBroker, topic_name: str) -> None:
    kafka = broker()
    address = kafka.bootstrap
    KafkaAdmin(address).create_topic(topic_name, partitions=1, replication_factor=1, config={})
    kafka.stop()
    host, port = address.split(":")
    with socket.create_server((host, int(port))):
        kafka.start()
        assert address != kafka.bootstrap
        assert KafkaAdmin(kafka.bootstrap).describe(topic_name) is not None


class Overtaken(LocalKafka):
    """A broker one of whose ports somebody takes when it is chosen, and gives back when it is used no more."""

    def __init__(self, data_dir: Path, which: str, times: int) -> None:
        super().__init__(data_dir)
        self.chosen: list[int] = []
        self._which = which
        self._times = times
        self._taken: list[socket.socket] = []

    def _write_properties(self, data: Path) -> Path:
        assert self._ports is not None
        properties = super()._write_properties(data)
        port = getattr(self._ports, self._which)
        if not data.name.endswith(".partial"):  # That is for the format, which listens nowhere.
            self.chosen.append(port)
            if len(self.chosen) <= self._times:
                self._taken.append(socket.create_server(("127.0.0.1", port)))
        return properties

    def stop(self) -> None:
        super().stop()
        for taken in self._taken:
            taken.close()


@pytest.mark.parametrize("which", ["broker", "controller"])
def test_a_port_that_is_taken_while_it_starts_is_replaced(tmp_path: Path, which: str) -> None:
    with Overtaken(tmp_path, which, times=1) as kafka:
        assert 2 == len(set(kafka.chosen))
        assert KafkaAdmin(kafka.bootstrap).cluster_id()


def test_ports_that_are_taken_again_and_again_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.local_kafka.PORT_ATTEMPTS", 2)
    kafka = Overtaken(tmp_path, "broker", times=2)
    with pytest.raises(LocalRuntimeError, match=r"ended while it was starting: .*Address already in use"):
        kafka.start()
    assert 2 == len(set(kafka.chosen))


def test_a_stopped_broker_leaves_no_process(broker: StartBroker, is_running: IsRunning) -> None:
    kafka = broker()
    pid = kafka.child.pid
    kafka.stop()
    assert not is_running(pid)


def test_a_folder_in_use_is_refused_with_the_process_that_uses_it(broker: StartBroker, tmp_path: Path) -> None:
    broker(tmp_path)
    with pytest.raises(LocalRuntimeError, match=rf"in use by a running quick \(process {os.getpid()}\)\. Choose"):
        LocalKafka(tmp_path).start()


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalRuntimeError, match=f"^Port {port} of 127.0.0.1 is taken. Stop the program"):
            LocalKafka(tmp_path, port=port).start()


def test_a_broker_that_dies_while_starting_is_reported_with_its_last_words(broker: StartBroker, tmp_path: Path) -> None:
    broker(tmp_path).stop()
    (tmp_path / "kafka" / "data" / "meta.properties").unlink()
    with pytest.raises(LocalRuntimeError, match=r"ended while it was starting: No readable meta\.properties files"):
        LocalKafka(tmp_path).start()


def test_missing_java_is_said_with_the_way_out(tmp_path: Path, no_java_home: None, path_without_programs: Path) -> None:
    with pytest.raises(LocalRuntimeError, match=r"^No java is on the PATH\. Install Java 17 or newer"):
        LocalKafka(tmp_path).start()


@pytest.mark.parametrize(("version", "major"), [("1.8.0_402", 8), ("11.0.22", 11), ("16", 16)])
def test_an_old_java_is_refused(
    tmp_path: Path, no_java_home: None, path_without_programs: Path, version: str, major: int
) -> None:
    program(path_without_programs, "java", f"echo 'openjdk version \"{version}\" 2024-01-16' >&2")
    with pytest.raises(LocalRuntimeError, match=f"java is Java {major}, which is too old. Install Java 17"):
        LocalKafka(tmp_path).start()


def test_a_java_home_without_java_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nothing"))
    with pytest.raises(LocalRuntimeError, match=r"nothing/bin/java cannot be run: .*Install Java 17"):
        LocalKafka(tmp_path).start()


def test_a_file_as_data_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(LocalRuntimeError, match=r"file/kafka: Not a directory\. Choose another folder with --data-dir"):
        LocalKafka(file).start()


def test_a_full_disk_is_noticed_before_anything_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=3 * 2**20))
    with pytest.raises(LocalRuntimeError, match=r"is full: 3 MiB are free, and Kafka needs 64\. Free some space"):
        LocalKafka(tmp_path).start()


def test_a_refused_start_lets_others_have_the_folder(tmp_path: Path, broker: StartBroker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(LocalRuntimeError):
        LocalKafka(tmp_path, port=taken.getsockname()[1]).start()
    broker(tmp_path)


def test_missing_maven_is_said_with_the_way_out(tmp_path: Path, path_without_programs: Path) -> None:
    with pytest.raises(LocalRuntimeError, match=r"^No mvn is on the PATH, and Kafka's jars are not in the cache yet\."):
        kafka_jars(tmp_path, print)


def test_the_error_of_maven_is_one_sentence_with_the_place_of_its_log(
    tmp_path: Path, path_without_programs: Path
) -> None:
    program(
        path_without_programs,
        "mvn",
        "echo '[ERROR] Could not transfer artifact x: No space left on device -> [Help 1]'\n"
        "echo '[ERROR] Re-run Maven with -X'\nexit 1",
    )
    cache = tmp_path / "cache"
    with pytest.raises(LocalRuntimeError) as raised:
        kafka_jars(cache, lambda _: None)
    expected = (
        "Maven could not fetch Kafka's jars: Could not transfer artifact x: No space left on device. "
        f"The whole output is in {cache}/maven.log. "
    )
    assert str(raised.value).startswith(expected)


def test_an_interrupted_download_does_not_count(tmp_path: Path, path_without_programs: Path) -> None:
    program(
        path_without_programs,
        "mvn",
        'for a; do case "$a" in -DoutputDirectory=*) : > "${a#*=}/half.jar"; esac; done\nexit 1',
    )
    with pytest.raises(LocalRuntimeError):
        kafka_jars(tmp_path, lambda _: None)
    program(
        path_without_programs, "mvn", 'for a; do case "$a" in -DoutputDirectory=*) : > "${a#*=}/whole.jar"; esac; done'
    )
    jars = kafka_jars(tmp_path, lambda _: None)
    assert ["whole.jar"] == [file.name for file in jars.glob("*.jar")]


def test_fetched_jars_need_no_maven(tmp_path: Path, path_without_programs: Path) -> None:
    script = program(path_without_programs, "mvn", "exit 0") / "mvn"
    said: list[str] = []
    jars = kafka_jars(tmp_path, said.append)
    script.unlink()
    assert jars == kafka_jars(tmp_path, said.append)
    assert ["Fetching kafka-4.1.1 with Maven, once (43 MB) ..."] == said


def test_an_unusable_cache_names_the_setting(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(LocalRuntimeError, match="Set QUICK_CACHE_DIR to a folder that can be written"):
        kafka_jars(file, print)


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICK_CACHE_DIR", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert Path("/a") == cache_folder()
    monkeypatch.delenv("QUICK_CACHE_DIR")
    assert Path("/b/quick") == cache_folder()
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert Path.home() / ".cache" / "quick" == cache_folder()


def test_a_free_port_lies_below_those_of_clients() -> None:
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert 10_000 <= free_port() < first_ephemeral
