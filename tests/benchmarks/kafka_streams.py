"""The rates of Kafka Streams on the same topic, by a small Java program beside this one."""

from __future__ import annotations

import subprocess
from pathlib import Path

from cli.cache import cache_folder
from cli.java import find_java
from cli.kafka_jars import JarSet, kafka_jars
from core.errors import LocalRuntimeError

FILES = Path(__file__).with_name("streams")
JARS = JarSet("kafka-streams", FILES / "pom.xml", 91)
TIMEOUT_S = 300.0

_JVM_OPTIONS = ("-Xmx1g",)


class KafkaStreams:
    """Kafka Streams, ready to be measured.

    Raises:
        LocalRuntimeError: Java, its compiler or Maven is missing, or the jars cannot be fetched.
    """

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self._bootstrap = bootstrap
        self._folder = folder / "streams"
        self._java = find_java().path
        modules = subprocess.run([self._java, "--list-modules"], capture_output=True, text=True, check=True).stdout
        if "jdk.compiler@" not in modules:
            raise LocalRuntimeError(f"{self._java} has no compiler. Install a JDK, such as openjdk-17-jdk-headless.")
        self._jars = kafka_jars(cache_folder(), print, JARS)
        self._runs = 0

    def rate(self, topic: str, records: int, mode: str) -> float:
        """Return the records a second of one run; `FoldRate.java` tells the modes."""
        self._runs += 1
        state = self._folder / str(self._runs)
        program = [self._java, *_JVM_OPTIONS, "-cp", f"{self._jars}/*", str(FILES / "FoldRate.java")]
        arguments = [self._bootstrap, topic, str(records), str(state), mode]
        done = subprocess.run([*program, *arguments], stdout=subprocess.PIPE, text=True, check=True, timeout=TIMEOUT_S)
        return float(done.stdout)
