"""A real Apache Kafka on this machine: one KRaft node that this process starts, watches and stops.

Its folder, `kafka` in the data folder, holds:

    server.properties   written at each start
    ports.json          the ports of the last start, used again when they are free
    data                topics and cluster id, formatted once
    broker.log          warnings and errors; a start that finds it large makes it broker.log.1
    lock                held while the broker is ours
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from string import Template
from types import TracebackType
from typing import NamedTuple, Self

from cli.broker_log import cause_of_end
from cli.cache import cache_folder
from cli.child_process import Child, ChildSpec, how_it_ended
from cli.class_archive import class_archive
from cli.folder_lock import FolderLock, make_folder
from cli.java import Java, find_java
from cli.kafka_jars import BROKER_FILES, kafka_jars
from cli.ports import LOOPBACK, free_port, is_free
from core.errors import KafkaUnavailableError, LocalRuntimeError
from core.kafka import wait_until_ready
from core.parent_death import dying_with_us

START_TIMEOUT_S = 120.0
"""Longest wait for a broker to answer; it takes 5 s on two cores, longer after a crash with much data or beside much
other work. One that has ended is not waited for."""

PORT_ATTEMPTS = 3
"""How often other ports are chosen when somebody takes one between the choice and the moment when Kafka listens there,
which is seconds later."""

STOP_TIMEOUT_S = 20.0
"""Longest wait for a broker to close its files, before it is killed."""

SMALLEST_FREE_SPACE = 64 * 2**20
"""Bytes that must be free on the disk: with less, Kafka would stop in the middle of its work."""

ARCHIVE_TIMEOUT_S = 120.0
"""Longest wait for a broker to end that writes its class archive; it takes 3 s on two cores."""

LARGEST_LOG = 10 * 2**20
"""Bytes of the log above which a start begins a new one."""

_JVM_OPTIONS = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")
_LOOK_EVERY_S = 0.3
_FORMAT_TIMEOUT_S = 120.0
_ADDRESS_IN_USE = "Address already in use"
_WAY_OUT = "Choose another folder with --data-dir."


class _Ports(NamedTuple):
    broker: int
    controller: int


class _Jvm(NamedTuple):
    """What runs Kafka's classes."""

    java: Java
    jars: Path
    archive: Path | None

    def command(self, name: str, *arguments: str, options: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the command that runs the class *name* of Kafka."""
        archived = () if self.archive is None else (f"-XX:SharedArchiveFile={self.archive}",)
        return (self.java.path, *_JVM_OPTIONS, *archived, *options, "-cp", f"{self.jars}/*", name, *arguments)


class _PortTakenError(LocalRuntimeError):
    """Raised when somebody else listens at a port of the broker that was free when it was chosen."""


class LocalKafka:
    """A broker whose data outlives it: started again on the same folder it is the same cluster, with all records.

    Entering it starts the broker, leaving it stops it. The main thread must do both (see cli.child_process).

    Args:
        data_dir: The data folder; the broker's things are in its subfolder `kafka`.
        port: Port of the broker on the loopback interface; 0 takes that of the last start, or a free one.
        say: Takes one line for the people who wait.
        archive_at_end: Where its JVM writes the class archive (cli.class_archive) when it ends; `None` uses the one
            that there is, and makes it where there is none.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 0,
        say: Callable[[str], None] = lambda _: None,
        archive_at_end: Path | None = None,
    ) -> None:
        self.folder = data_dir.absolute() / "kafka"
        self.log = self.folder / "broker.log"
        self._wanted_port = port
        self._say = say
        self._archive_at_end = archive_at_end
        self._ports: _Ports | None = None
        self._lock: FolderLock | None = None
        self._child: Child | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def bootstrap(self) -> str:
        """Return the address for clients, the same from the first start on while its port stays free."""
        assert self._ports is not None, "started"
        return f"{LOOPBACK}:{self._ports.broker}"

    @property
    def child(self) -> Child:
        """Return the running process."""
        assert self._child is not None, "started"
        return self._child

    def start(self) -> None:
        """Start the broker and wait until it answers.

        Raises:
            LocalRuntimeError: Java or Maven is missing or unfit, the folder, the disk or the port cannot be used, or
                the broker ended or did not answer; says which, and the way out.
        """
        try:
            self._start()
        except OSError as error:
            self.stop()
            raise LocalRuntimeError(f"Cannot write to {self.folder}: {error.strerror}. {_WAY_OUT}") from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the broker in an orderly way and let others have its folder. Does nothing when it is not running."""
        if self._child is not None:
            self._child.stop()
            self._child = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def kill(self) -> None:
        """Kill the broker as a crash would, and let others have its folder."""
        self.child.kill()
        self.stop()

    def _start(self) -> None:
        make_folder(self.folder, _WAY_OUT)
        self._lock = FolderLock(self.folder, _WAY_OUT)
        _check_space(self.folder)
        jvm = self._find_jvm()
        self._ports = self._choose_ports()
        data = self.folder / "data"
        if not data.is_dir():
            self._format(jvm, data)
        self._rotate_log()
        for attempts_left in reversed(range(PORT_ATTEMPTS)):
            try:
                self._run(jvm, data)
            except _PortTakenError:
                if not attempts_left:
                    raise
                self._ports = self._choose_ports()
            else:
                return

    def _run(self, jvm: _Jvm, data: Path) -> None:
        """Start the process and wait until it answers."""
        properties = self._write_properties(data)
        log_start = self.log.stat().st_size if self.log.exists() else 0
        self._child = Child(self._spec(jvm, properties))
        self._wait_until_ready(log_start)

    def _find_jvm(self) -> _Jvm:
        java, cache = find_java(), cache_folder()
        jars = kafka_jars(cache, self._say)
        archive = None
        if self._archive_at_end is None:
            archive = class_archive(cache, jars, java, _write_archive, self._say)
        return _Jvm(java, jars, archive)

    def _choose_ports(self) -> _Ports:
        if self._wanted_port and not is_free(self._wanted_port):
            raise LocalRuntimeError(
                f"Port {self._wanted_port} of {LOOPBACK} is taken. Stop the program that listens there, "
                "or choose another port."
            )
        file = self.folder / "ports.json"
        last = _last_ports(file)
        chosen = _Ports(
            self._wanted_port or (last.broker if last and is_free(last.broker) else free_port()),
            last.controller if last and is_free(last.controller) else free_port(),
        )
        _replace(file, json.dumps(chosen._asdict()))
        return chosen

    def _write_properties(self, data: Path) -> Path:
        assert self._ports is not None, "chosen before"
        template = Template((BROKER_FILES / "server.properties").read_text())
        text = template.substitute(
            broker_port=self._ports.broker, controller_port=self._ports.controller, log_dirs=data
        )
        properties = self.folder / "server.properties"
        _replace(properties, text)
        return properties

    def _format(self, jvm: _Jvm, data: Path) -> None:
        """Make *data*, complete or not at all."""
        partial = data.with_name("data.partial")
        shutil.rmtree(partial, ignore_errors=True)
        properties = self._write_properties(partial)
        tool = jvm.command("kafka.tools.StorageTool", "format", "-t", _new_cluster_id(), "-c", str(properties))
        try:
            answer = subprocess.run(  # noqa: S603 - the user's own Java with our arguments
                dying_with_us(tool),
                capture_output=True,
                text=True,
                timeout=_FORMAT_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise LocalRuntimeError(
                f"Kafka has not formatted the folder {data} after {_FORMAT_TIMEOUT_S:g} s. Look what keeps this machine"
                " busy, and start again."
            ) from error
        if answer.returncode != 0:
            cause = cause_of_end(answer.stderr) or how_it_ended(answer.returncode)
            raise LocalRuntimeError(f"Kafka cannot format the folder {data}: {cause}. {_WAY_OUT}")
        partial.rename(data)

    def _rotate_log(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG:
            self.log.replace(self.log.with_name("broker.log.1"))

    def _spec(self, jvm: _Jvm, properties: Path) -> ChildSpec:
        options = [f"-Dlog4j2.configurationFile={BROKER_FILES / 'log4j2.properties'}"]
        if self._archive_at_end is not None:
            options.append(f"-XX:ArchiveClassesAtExit={self._archive_at_end}")
        return ChildSpec(
            name="broker",
            argv=jvm.command("kafka.Kafka", str(properties), options=options),
            env=os.environ,
            cwd=self.folder,
            stop_timeout_s=STOP_TIMEOUT_S,
            output=self.log,
        )

    def _wait_until_ready(self, log_start: int) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                wait_until_ready(self.bootstrap, _LOOK_EVERY_S)
            except KafkaUnavailableError as error:
                exit_code = self.child.exit_code()
                if exit_code is not None:
                    raise self._ended_while_starting(exit_code, log_start) from error
                if time.monotonic() >= deadline:
                    raise LocalRuntimeError(
                        f"The Kafka broker does not answer after {START_TIMEOUT_S:g} s. Look into {self.log}."
                    ) from error
            else:
                return

    def _ended_while_starting(self, exit_code: int, log_start: int) -> LocalRuntimeError:
        _check_space(self.folder)  # With a full disk, the log says nothing either.
        with self.log.open("rb") as log:
            log.seek(log_start)
            text = log.read().decode(errors="replace")
        cause = cause_of_end(text) or how_it_ended(exit_code)
        kind = _PortTakenError if _ADDRESS_IN_USE in cause else LocalRuntimeError
        return kind(f"The Kafka broker ended while it was starting: {cause}. Its log is {self.log}.")


def _write_archive(archive: Path) -> None:
    """Run a broker whose JVM writes its classes to *archive* when it ends."""
    folder = archive.with_name(f"{archive.name}.broker")
    shutil.rmtree(folder, ignore_errors=True)  # Of one that was killed.
    try:
        with LocalKafka(folder, archive_at_end=archive) as broker:
            broker.child.terminate()
            if broker.child.wait(ARCHIVE_TIMEOUT_S) is None:
                raise LocalRuntimeError(f"Java could not write {archive} within {ARCHIVE_TIMEOUT_S:g} s.")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < SMALLEST_FREE_SPACE:
        raise LocalRuntimeError(
            f"The disk of {folder} is full: {free / 2**20:.0f} MiB are free, and Kafka needs "
            f"{SMALLEST_FREE_SPACE / 2**20:.0f}. Free some space, or choose another folder with --data-dir."
        )


def _last_ports(file: Path) -> _Ports | None:
    try:
        return _Ports(**json.loads(file.read_text()))
    except FileNotFoundError:
        return None


def _replace(file: Path, text: str) -> None:
    """Write *file* so that it is never seen half written."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text(text)
    fresh.replace(file)


def _new_cluster_id() -> str:
    """Return 16 random bytes as Kafka writes them; the tool would take a leading `-` for an option."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        continue
    return text
