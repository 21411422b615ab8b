"""Kafka's jars, fetched once by Maven into the user's cache.

They are resolved into a folder beside the final one, which is renamed when it is complete: an interrupted download
never counts. One process fetches at a time, the others wait for it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cli.cache import locked_cache
from cli.child_process import Child, ChildSpec, how_it_ended
from core.errors import LocalRuntimeError

BROKER_FILES = Path(__file__).with_name("broker")
"""The files that describe the local broker."""

FETCH_TIMEOUT_S = 900.0
"""Longest wait for Maven."""


class JarSet(NamedTuple):
    """Some jars that belong together, with all that they need."""

    name: str
    pom: Path
    """Names them, and the version in the property `kafka.version`."""
    megabytes: int
    """How much is fetched; told to the people who wait."""


BROKER = JarSet("kafka", BROKER_FILES / "pom.xml", 43)

_KAFKA_VERSION = re.compile(r"<kafka\.version>(.+)</kafka\.version>")
_OTHER_BROKER = "or name a Kafka broker that runs already with --kafka HOST:PORT."


def kafka_jars(cache: Path, say: Callable[[str], None], jar_set: JarSet = BROKER) -> Path:
    """Return the folder with the jars of *jar_set*, fetched if they are not in *cache* yet.

    Args:
        cache: The cache folder; made if it is absent.
        say: Takes one line for the people who wait.
        jar_set: Which jars; those of the local broker unless it says otherwise.

    Raises:
        LocalRuntimeError: Maven is missing or fails, or the cache cannot be written.
    """
    jars = cache.absolute() / _folder_name(jar_set)
    if jars.is_dir():
        return jars
    with locked_cache(cache):
        if not jars.is_dir():
            _fetch(jar_set, jars, say)
    return jars


def _folder_name(jar_set: JarSet) -> str:
    """Return a name that changes with everything that decides which jars these are."""
    pom = jar_set.pom.read_text()
    version = _KAFKA_VERSION.search(pom)
    assert version is not None, "the pom is ours"
    return f"{jar_set.name}-{version.group(1)}-{hashlib.sha256(pom.encode()).hexdigest()[:8]}"


def _fetch(jar_set: JarSet, jars: Path, say: Callable[[str], None]) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise LocalRuntimeError(
            "No mvn is on the PATH, and Kafka's jars are not in the cache yet. "
            f"Install Maven (Debian: apt install maven), {_OTHER_BROKER}"
        )
    partial = jars.with_name(f"{jars.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    shutil.copy(jar_set.pom, partial)  # Maven may write beside its pom.
    say(f"Fetching {jars.name.rpartition('-')[0]} with Maven, once ({jar_set.megabytes} MB) ...")
    _run_maven(maven, partial, jars.with_name("maven.log"))
    partial.rename(jars)


def _run_maven(maven: str, folder: Path, log: Path) -> None:
    log.unlink(missing_ok=True)
    argv = (maven, "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={folder}")
    child = Child(ChildSpec(name="Maven", argv=argv, env=os.environ, cwd=folder, output=log))
    try:
        exit_code = child.wait(FETCH_TIMEOUT_S)
    finally:
        child.kill()
    if exit_code != 0:
        ended = f"took longer than {FETCH_TIMEOUT_S:g} s" if exit_code is None else how_it_ended(exit_code)
        raise LocalRuntimeError(
            f"Maven could not fetch Kafka's jars: {_first_error(log) or ended}. The whole output is in {log}. "
            f"Check the network and Maven's settings, {_OTHER_BROKER}"
        )


def _first_error(log: Path) -> str:
    """Return what Maven calls the error, without the advice that it appends."""
    for line in log.read_text(errors="replace").splitlines():
        _, found, text = line.partition("[ERROR] ")
        if found and text.strip():
            return text.partition(" -> [Help")[0].strip().rstrip(".")
    return ""
