"""Kafka's own Java client and ours write the same bytes, and put them into the same partitions."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from cli.cache import cache_folder
from cli.java import find_java
from cli.kafka_jars import kafka_jars
from core.kafka_admin import KafkaAdmin
from core.kafka_writer import OutRecord, RecordWriter
from core.topic_type import TopicType
from core.types import codec_for

PROBE = Path(__file__).with_name("Probe.java")

PARTITIONS = (1, 3, 7, 12)

VALUES: list[tuple[TopicType, str]] = [
    *(
        (TopicType.STRING, text)
        for text in (
            "",
            " ",
            "a",
            "ab",
            "abc",
            "abcd",
            "abcde",
            "\0",
            "line\n",
            "größe",
            "\u20ac",
            "\U0001f600",
            "e\u0301",
        )
    ),
    (TopicType.STRING, "x" * 1000),
    *((TopicType.STRING, f"key-{number}") for number in range(100)),
    *((TopicType.INTEGER, str(number)) for number in (0, 1, -1, 255, 256, -256, 2**31 - 1, -(2**31))),
    *((TopicType.INTEGER, str(number)) for number in range(1000, 1100)),
    (TopicType.INTEGER, "+7"),
    (TopicType.INTEGER, "007"),
    *((TopicType.LONG, str(number)) for number in (0, 1, -1, 2**31, -(2**31) - 1, 2**63 - 1, -(2**63))),
    *((TopicType.LONG, str(7**number)) for number in range(20)),
    *(
        (TopicType.DOUBLE, text)
        for text in ("0", "-0", "0.1", "-1.5", "1e308", "1e400", "-1e400", "4.9e-324", "1e-400", "NaN", "-NaN")
    ),
    *(
        (TopicType.DOUBLE, text)
        for text in ("Infinity", "-Infinity", " 1.5\t", "1.1f", "1.1d", "0x1.8p1", "-0x.8P-1F", ".5", "5.", "1E+2")
    ),
]


class Probed(NamedTuple):
    """What the Java client does with one value."""

    raw: bytes
    partitions: dict[int, int]
    """Its partition as a key, by the number of partitions."""


@pytest.fixture(scope="module")
def probed() -> list[Probed]:
    java = find_java().path
    modules = subprocess.run([java, "--list-modules"], capture_output=True, text=True, timeout=60, check=True).stdout
    if "jdk.compiler@" not in modules:
        pytest.skip(f"{java} has no compiler (the module jdk.compiler): install a JDK, such as openjdk-17-jdk-headless")
    jars = kafka_jars(cache_folder(), print)
    lines = [f"{type_.lower()} {text.encode().hex()}" for type_, text in VALUES]
    done = subprocess.run(
        [java, "-cp", f"{jars}/*", str(PROBE), *map(str, PARTITIONS)],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    answers = [line.split(" ") for line in done.stdout.splitlines()]
    assert len(VALUES) == len(answers)
    return [Probed(bytes.fromhex(raw), dict(zip(PARTITIONS, map(int, at), strict=True))) for raw, *at in answers]


def test_bytes_are_those_of_the_java_serializers(probed: list[Probed]) -> None:
    for (type_, text), java in zip(VALUES, probed, strict=True):
        codec = codec_for(type_)
        assert java.raw == codec.encode(codec.from_text(text)), (type_, text)
        assert java.raw == codec.encode(codec.decode(java.raw)), (type_, text)


@pytest.mark.parametrize("partitions", PARTITIONS)
def test_records_are_put_where_the_java_client_puts_them(
    partitions: int, probed: list[Probed], kafka: str, topic_name: str
) -> None:
    KafkaAdmin(kafka).create_topic(topic_name, partitions=partitions, replication_factor=1, config={})
    codecs = {type_: codec_for(type_) for type_, _ in VALUES}
    keys = [codecs[type_].encode(codecs[type_].from_text(text)) for type_, text in VALUES]
    writer = RecordWriter(kafka)
    written = writer.write(topic_name, [OutRecord(key, b"") for key in keys]).result(30)
    writer.close()
    assert [java.partitions[partitions] for java in probed] == [record.partition for record in written]
