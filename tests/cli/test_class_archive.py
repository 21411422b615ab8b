"""Brokers start from an archive of their classes, which is made once and never decides whether one starts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.cache import cache_folder
from cli.class_archive import class_archive
from cli.java import Java, find_java
from cli.kafka_jars import kafka_jars
from cli.local_kafka import LocalKafka
from core.errors import LocalRuntimeError

JAVA = Java("/usr/bin/java", 17, "openjdk version 17.0.15")


class Maker:
    """Makes archives, or what is given, or fails."""

    def __init__(self, content: bytes = b"classes", *, fails: Exception | None = None) -> None:
        self.made: list[Path] = []
        self.said: list[str] = []
        self._content = content
        self._fails = fails

    def archive(self, cache: Path, java: Java = JAVA) -> Path | None:
        return class_archive(cache, cache / "kafka-1", java, self._make, self.said.append)

    def _make(self, path: Path) -> None:
        assert not path.exists()
        if self._content:
            path.write_bytes(self._content)
        if self._fails is not None:
            raise self._fails
        self.made.append(path)


def test_it_is_made_once_for_a_java_and_its_jars(tmp_path: Path) -> None:
    maker = Maker()
    archive = maker.archive(tmp_path)
    assert archive is not None
    assert b"classes" == archive.read_bytes()
    assert archive == maker.archive(tmp_path)
    assert archive != maker.archive(tmp_path, JAVA._replace(description="openjdk version 17.0.16"))
    assert 2 == len(maker.made)
    assert ["Preparing Kafka for quick starts, once ..."] * 2 == maker.said


def test_a_java_that_makes_none_is_not_asked_again(tmp_path: Path) -> None:
    maker = Maker(b"")
    assert [None, None] == [maker.archive(tmp_path) for _ in range(2)]
    assert 1 == len(maker.made)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), LocalRuntimeError("the broker ended."), OSError(28, "No space")]
)
def test_what_was_interrupted_does_not_count(tmp_path: Path, error: Exception) -> None:
    failing = Maker(b"half", fails=error)
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            failing.archive(tmp_path)
    else:
        assert failing.archive(tmp_path) is None
        assert failing.said[-1].startswith("Kafka starts as slowly as before: ")
    archive = Maker().archive(tmp_path)
    assert archive is not None
    assert b"classes" == archive.read_bytes()


def test_a_broker_maps_it(broker: Callable[..., LocalKafka]) -> None:
    mapped = Path(f"/proc/{broker().child.pid}/maps").read_text()
    assert f"{kafka_jars(cache_folder(), print)}-" in mapped
    assert ".jsa" in mapped


def test_one_that_is_broken_is_left_aside(
    broker: Callable[..., LocalKafka], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jars = tmp_path / "kafka-1"
    jars.mkdir()
    for jar in kafka_jars(cache_folder(), print).glob("*.jar"):
        (jars / jar.name).symlink_to(jar)
    broken = class_archive(tmp_path, jars, find_java(), _garble, print)
    assert broken is not None
    monkeypatch.setattr("cli.local_kafka.kafka_jars", lambda *_: jars)
    monkeypatch.setenv("QUICK_CACHE_DIR", str(tmp_path))
    assert str(broken) not in Path(f"/proc/{broker().child.pid}/maps").read_text()


def _garble(path: Path) -> None:
    path.write_bytes(os.urandom(1_000_000))
