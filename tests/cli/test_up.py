"""`quick up` and `quick serve` as users run them: real processes, ready or refused, and nothing left behind."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import psutil
import pytest
import yaml
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from cli.ports import free_port
from core.kafka_admin import KafkaAdmin
from core.kafka_writer import OutRecord, RecordWriter
from core.log_topic import LOG_CONFIG
from tests.serving import made_topic

ROOT = Path(__file__).parents[2]
DEADLINE_S = 90.0


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


class Quick:
    """One run of the program, with settings, logs and a configuration of its own."""

    def __init__(self, folder: Path, *arguments: str, log_topic: str, **environment: str) -> None:
        self.folder = folder
        self._out: IO[bytes] = (folder / "out").open("wb")
        self._err: IO[bytes] = (folder / "err").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", *arguments],
            cwd=ROOT,
            env=_environment(folder, log_topic) | environment,
            stdout=self._out,
            stderr=self._err,
        )

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text()

    @property
    def url(self) -> str:
        """Return the address that was printed, as soon as it is."""

        def is_printed() -> bool:
            assert self.process.poll() is None, self.err
            return "Quick is ready at " in self.out

        until(is_printed)
        found = re.search(r"Quick is ready at (\S+)\n", self.out)
        assert found is not None
        return found.group(1)

    def exit_code(self) -> int:
        return self.process.wait(DEADLINE_S)

    def descendants(self) -> dict[int, str]:
        """Return the command lines of all processes below this one, by id."""
        alive = {}
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                alive[process.pid] = " ".join(process.cmdline())
            except psutil.NoSuchProcess:
                continue
        return alive

    def descendant(self, part: str) -> int:
        """Return the id of the process nearest to this one whose command line holds *part*."""
        return next(pid for pid, command in self.descendants().items() if part in command)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._out.close()
        self._err.close()


def _environment(folder: Path, log_topic: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("QUICK_")}
    kept = {"QUICK_CACHE_DIR": os.environ["QUICK_CACHE_DIR"]} if "QUICK_CACHE_DIR" in os.environ else {}
    topics = {"QUICK_LOG_TOPIC": log_topic, "QUICK_STATUS_TOPIC": f"{log_topic}-status"}
    return inherited | kept | topics | {"QUICK_CONFIG": str(folder / "quick.conf")}


StartQuick = Callable[..., Quick]
IsRunning = Callable[[int], bool]


@pytest.fixture
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartQuick]:
    """Return a function that runs `quick` with the arguments that it is given."""
    runs: list[Quick] = []
    log_topic = f"log-{uuid.uuid4().hex}"

    def run(*arguments: str, **environment: str) -> Quick:
        runs.append(Quick(tmp_path_factory.mktemp("run"), *arguments, log_topic=log_topic, **environment))
        return runs[-1]

    yield run
    for one in reversed(runs):
        one.close()


def request(url: str, method: str, path: str, *, key: str = "") -> int:
    """Return the status of the answer, 0 where there is none."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=90)
    try:
        connection.request(method, path, body="{}", headers={"X-API-Key": key, "Content-Type": "application/json"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def test_up_runs_all_and_continues_on_its_folder(quick: StartQuick, tmp_path: Path, is_running: IsRunning) -> None:
    data = tmp_path / "data"
    first = quick("up", "--port", "0", "--data-dir", str(data))
    url, key = first.url, (data / "api-key").read_text().strip()
    assert f"API key: {key}\n" in first.out
    assert f"Data:    {data}\n" in first.out
    assert stat.S_IMODE((data / "api-key").stat().st_mode) == 0o600
    context = yaml.safe_load((first.folder / "quick.conf").read_text())["contexts"]["local"]
    assert {"host": f"{url}/manager", "apiKey": key} == context
    assert 200 == request(url, "GET", "/health")
    assert 401 == request(url, "GET", "/manager/topics")
    assert 200 == request(url, "POST", "/manager/topic/kept?keyType=string&valueType=string", key=key)
    pids = first.descendants()
    first.process.terminate()
    assert 0 == first.exit_code()
    assert not any(is_running(pid) for pid in pids)

    second = quick("up", "--port", "0", "--data-dir", str(data))
    assert 200 == request(second.url, "GET", "/manager/topic/kept", key=key)
    second.process.send_signal(signal.SIGINT)
    assert 0 == second.exit_code()


def test_a_killed_up_leaves_no_process_and_its_folder_can_be_used_again(
    quick: StartQuick, tmp_path: Path, is_running: IsRunning
) -> None:
    arguments = ("up", "--port", str(free_port()), "--data-dir", str(tmp_path / "data"), "--api-key", "k")
    killed = quick(*arguments)
    url = killed.url
    pids = killed.descendants()
    for part in ("kafka.Kafka", "projections.projector", "gunicorn"):
        assert any(part in command for command in pids.values())
    killed.process.kill()
    until(lambda: not any(is_running(pid) for pid in pids))
    assert url == quick(*arguments).url


def test_a_killed_broker_is_started_again(quick: StartQuick, tmp_path: Path) -> None:
    run = quick("up", "--port", "0", "--data-dir", str(tmp_path / "data"), "--api-key", "k")
    url, pid = run.url, run.descendant("kafka.Kafka")
    os.kill(pid, signal.SIGKILL)
    until(lambda: "broker ended with signal 9" in run.err)
    path = "/manager/topic/after?keyType=string&valueType=string"
    # 400 tells that it is there: it was recorded, and the answer to that came too late.
    until(lambda: request(url, "POST", path, key="k") in (200, 400))
    assert 200 == request(url, "GET", "/manager/topic/after", key="k")


def test_a_killed_master_takes_its_workers_along_and_is_started_again(
    quick: StartQuick, kafka: str, tmp_path: Path, is_running: IsRunning
) -> None:
    run = quick("up", "--kafka", kafka, "--port", "0", "--data-dir", str(tmp_path), "--api-key", "k", "--workers", "2")
    url, master = run.url, run.descendant("gunicorn")
    until(lambda: len(psutil.Process(master).children()) == 2)  # The first one that is ready announces it.
    workers = [worker.pid for worker in psutil.Process(master).children()]
    os.kill(master, signal.SIGKILL)
    until(lambda: not any(is_running(pid) for pid in workers))
    until(lambda: request(url, "GET", "/health") == 200)
    assert "web ended with signal 9; starting it again in 0.1 s\n" in run.err


def test_the_key_of_the_environment_is_used_and_not_shown(quick: StartQuick, kafka: str, tmp_path: Path) -> None:
    run = quick("up", "--kafka", kafka, "--port", "0", "--data-dir", str(tmp_path), QUICK_APIKEY="from-outside")
    assert 200 == request(run.url, "GET", "/manager/topics", key="from-outside")
    assert "from-outside" not in run.out
    assert not (tmp_path / "api-key").exists()
    assert not any("from-outside" in command for command in run.descendants().values())


def test_serve_needs_no_broker_of_its_own(quick: StartQuick, kafka: str, tmp_path: Path) -> None:
    run = quick(
        "serve",
        *("--port", "0"),
        QUICK_KAFKA_BOOTSTRAP_SERVER=kafka,
        QUICK_DATA_DIR=str(tmp_path),
        QUICK_APIKEY="k",
    )
    assert 200 == request(run.url, "GET", "/manager/topics", key="k")
    assert not any("kafka.Kafka" in command for command in run.descendants().values())
    assert not (run.folder / "quick.conf").exists()
    run.process.terminate()
    assert 0 == run.exit_code()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--role", "mirror", "--api-key", "k"], "--role mirror needs --topic."),
        (["--role", "gateway", "--api-key", "k"], "--role gateway needs --gateway."),
        (["--role", "ingest", "--topic", "t", "--api-key", "k"], "--topic does not go with --role ingest."),
        (["--gateway", "g"], "--gateway does not go with --role all."),
        (["--role", "mirror", "--topic", "a/b", "--api-key", "k"], "No topic can be called 'a/b'."),
        (["--role", "ingest", "--clean-up", "--api-key", "k"], "--clean-up goes with --role mirror alone."),
        (["--role", "ingest"], "A role alone needs the key that all processes share. Give --api-key or QUICK_APIKEY."),
    ],
)
def test_a_role_with_other_options_than_its_own_is_refused(
    quick: StartQuick, tmp_path: Path, arguments: list[str], text: str
) -> None:
    run = quick("serve", *arguments, "--kafka", "127.0.0.1:1", "--data-dir", str(tmp_path))
    assert 2 == run.exit_code()
    assert f"Error: {text}" in run.err
    assert not any(tmp_path.iterdir())


def test_a_server_of_everything_has_a_management_port_too(quick: StartQuick, kafka: str, tmp_path: Path) -> None:
    arguments = ("--kafka", kafka, "--port", "0", "--management-port", "0", "--data-dir", str(tmp_path))
    run = quick("serve", *arguments, "--api-key", "k")
    assert 200 == request(run.url, "GET", "/health")
    until(lambda: "Health: " in run.out)
    found = re.search(r"Health:  (http://[0-9.:]+)/health\n", run.out)
    assert found is not None
    until(lambda: request(found[1], "GET", "/health/readiness") == 200)
    assert [200, 404] == [request(found[1], "GET", path) for path in ("/health/liveness", "/manager/topics")]


def test_a_folder_in_use_is_refused(quick: StartQuick, kafka: str, tmp_path: Path) -> None:
    running = quick("up", "--kafka", kafka, "--port", "0", "--data-dir", str(tmp_path), "--api-key", "k")
    assert running.url
    refused = quick("up", "--kafka", kafka, "--port", "0", "--data-dir", str(tmp_path))
    assert 1 == refused.exit_code()
    expected = f"The folder {tmp_path} is in use by a running quick (process {running.process.pid})."
    assert f"{expected} Choose another folder with --data-dir.\n" == refused.err


def test_a_taken_port_is_refused_before_anything_is_started(quick: StartQuick, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = quick("up", "--port", str(port), "--data-dir", str(tmp_path))
        assert 1 == run.exit_code()
    expected = f"Port {port} of 127.0.0.1 is taken. Stop the program that listens there, or choose another port"
    assert f"{expected} with --port (0 picks a free one).\n" == run.err
    assert not (tmp_path / "kafka").exists()


def test_a_foreign_address_is_refused(quick: StartQuick, tmp_path: Path) -> None:
    run = quick("up", "--host", "192.0.2.1", "--data-dir", str(tmp_path))
    assert 1 == run.exit_code()
    assert run.err.startswith("192.0.2.1 is no address of this machine. Name one with --host")


def test_missing_java_is_one_sentence(quick: StartQuick, tmp_path: Path) -> None:
    run = quick("up", "--port", "0", "--data-dir", str(tmp_path), PATH="/nowhere", JAVA_HOME="")
    assert 1 == run.exit_code()
    assert run.err.startswith("No java is on the PATH. Install Java 17 or newer")
    assert 1 == run.err.count("\n")


def test_an_unusable_folder_is_one_sentence(quick: StartQuick, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run = quick("up", "--port", "0", "--data-dir", str(tmp_path / "file"))
    assert 1 == run.exit_code()
    expected = f"Cannot use the folder {tmp_path}/file: File exists. Choose another folder with --data-dir.\n"
    assert expected == run.err


def test_a_kafka_that_does_not_answer_is_one_sentence(quick: StartQuick, tmp_path: Path) -> None:
    run = quick("up", "--kafka", f"127.0.0.1:{free_port()}", "--port", "0", "--data-dir", str(tmp_path))
    assert 1 == run.exit_code()
    assert run.err.startswith("No Kafka broker answers at 127.0.0.1:")
    assert 1 == run.err.count("\n")


def test_a_wrong_setting_is_said_once(quick: StartQuick, kafka: str, tmp_path: Path) -> None:
    run = quick(
        "up",
        *("--kafka", kafka, "--port", "0", "--data-dir", str(tmp_path)),
        QUICK_KAFKA_INTERNAL_PARTITIONS="many",
    )
    assert 1 == run.exit_code()
    assert run.err.startswith("QUICK_KAFKA_INTERNAL_PARTITIONS='many' cannot be used")
    assert 1 == run.err.count("\n")


def test_a_broker_of_our_own_wants_no_login_whatever_another_one_wants(quick: StartQuick, tmp_path: Path) -> None:
    run = quick("up", "--port", "0", "--data-dir", str(tmp_path / "data"), QUICK_KAFKA_SECURITY_PROTOCOL="SASL_SSL")
    assert 200 == request(run.url, "GET", "/health")


def test_a_login_that_lacks_something_is_one_sentence(quick: StartQuick, kafka: str, tmp_path: Path) -> None:
    run = quick(
        *("up", "--kafka", kafka, "--port", "0", "--data-dir", str(tmp_path)),
        QUICK_KAFKA_SECURITY_PROTOCOL="SASL_SSL",
    )
    assert 1 == run.exit_code()
    assert run.err.startswith("QUICK_KAFKA_SASL_MECHANISM is not set")
    assert 1 == run.err.count("\n")


def write(kafka: str, topic: str, *values: bytes) -> None:
    writer = RecordWriter(kafka)
    try:
        writer.write(topic, [OutRecord(None, value) for value in values]).result(60)
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("partitions", "config", "danger"),
    [
        (3, {}, "has 3 partitions: commands in different partitions have no order. Move its records into a topic with"),
        (1, {"cleanup.policy": "compact"}, "has cleanup.policy=compact: compaction would remove commands. Set it to "),
        (1, {"retention.ms": "1000"}, "has retention.ms=1000: commands would be removed after that time. Set it to -1"),
    ],
)
def test_a_log_that_could_lose_commands_is_refused_before_anything_is_started(
    quick: StartQuick, kafka: str, topic_name: str, tmp_path: Path, partitions: int, config: dict[str, str], danger: str
) -> None:
    made_topic(kafka, topic_name, partitions, **LOG_CONFIG | config)
    data = tmp_path / "data"
    run = quick("up", "--kafka", kafka, "--port", "0", "--data-dir", str(data), QUICK_LOG_TOPIC=topic_name)
    assert 1 == run.exit_code()
    assert run.err.startswith(f"The log topic {topic_name} {danger}")
    assert 1 == run.err.count("\n")
    assert "" == run.out
    assert {"api-key", "lock"} == {file.name for file in data.iterdir()}


def test_each_danger_is_a_sentence_with_its_way_out(
    quick: StartQuick, kafka: str, topic_name: str, tmp_path: Path
) -> None:
    config = {"cleanup.policy": "compact", "retention.ms": "1000", "retention.bytes": "1000"}
    made_topic(kafka, topic_name, **config)
    run = quick("serve", "--kafka", kafka, "--port", "0", "--data-dir", str(tmp_path), QUICK_LOG_TOPIC=topic_name)
    assert 1 == run.exit_code()
    mends = ("cleanup.policy=delete", "retention.ms=-1", "retention.bytes=-1")
    assert [f"kafka-configs --alter --topic {topic_name} --add-config {mend}" for mend in mends] == [
        line[line.index("kafka-configs") :] for line in run.err.splitlines()
    ]


def test_a_log_that_has_lost_its_beginning_is_refused(
    quick: StartQuick, kafka: str, topic_name: str, tmp_path: Path
) -> None:
    made_topic(kafka, topic_name, **LOG_CONFIG)
    write(kafka, topic_name, b"a", b"b")
    admin = AdminClient({"bootstrap.servers": kafka})
    (deleted,) = admin.delete_records([TopicPartition(topic_name, 0, 1)]).values()
    deleted.result(60)
    run = quick("up", "--kafka", kafka, "--port", "0", "--data-dir", str(tmp_path), QUICK_LOG_TOPIC=topic_name)
    assert 1 == run.exit_code()
    assert run.err.startswith(f"The log topic {topic_name} begins at offset 1: the commands before it are lost")
    assert 1 == run.err.count("\n")


def test_an_unreadable_record_is_told_at_the_start_and_reads_go_on(
    quick: StartQuick, kafka: str, topic_name: str, tmp_path: Path
) -> None:
    made_topic(kafka, topic_name, **LOG_CONFIG)
    write(kafka, topic_name, b"no command")
    arguments = ("--kafka", kafka, "--port", "0", "--data-dir", str(tmp_path), "--api-key", "k")
    run = quick("up", *arguments, QUICK_LOG_TOPIC=topic_name)
    assert 200 == request(run.url, "GET", "/manager/topics", key="k")
    told = f"Quick serves, but not everything works: Nothing is recorded. Cannot read the record at {topic_name}[0]@0: "
    assert told in run.err
    assert "Pass it with: quick log quarantine 0 --reason TEXT\n" in run.err


def test_an_event_that_could_not_be_read_stops_the_start(kafka: str, topic_name: str, tmp_path: Path) -> None:
    program = f"""
import sys
from cli.main import run
from core.topics import TopicCreated
TopicCreated.class_version += 1
sys.exit(run(["up", "--kafka", "{kafka}", "--port", "0", "--data-dir", "{tmp_path}/data"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=_environment(tmp_path, topic_name),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    text = "No upcaster reads quick:TopicCreated version 2, so events of it could not be used. Add one.\n"
    assert (1, "", text) == (done.returncode, done.stdout, done.stderr)
    assert KafkaAdmin(kafka).describe(topic_name) is None
