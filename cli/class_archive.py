"""The classes of a Kafka broker in the form in which the JVM maps them, so that one starts in half the time (JEP 350).

An archive is made once, by a broker that is started for this alone, and is named after the Java and the jars that it
fits. It never decides what runs: the JVM looks whether an archive fits, and reads the jars where it does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from cli.cache import locked_cache
from cli.java import Java
from core.errors import LocalRuntimeError


def class_archive(
    cache: Path, jars: Path, java: Java, make: Callable[[Path], None], say: Callable[[str], None]
) -> Path | None:
    """Return the archive for *java* and *jars*, made if it is not in *cache* yet; `None` where there can be none.

    Args:
        cache: The cache folder.
        jars: The folder with the broker's jars.
        java: The Java that runs it.
        make: Runs a broker whose JVM writes the archive to a path when it ends. A Java that cannot do that writes
            nothing; it is not asked again.
        say: Takes one line for the people who wait.
    """
    fitting = hashlib.sha256(f"{java.path}\n{java.description}".encode()).hexdigest()[:8]
    archive = cache.absolute() / f"{jars.name}-{fitting}.jsa"
    if not archive.exists():
        try:
            with locked_cache(cache):
                if not archive.exists():
                    say("Preparing Kafka for quick starts, once ...")
                    _make(archive, make)
        except LocalRuntimeError as error:
            say(f"Kafka starts as slowly as before: {error}")
            return None
    return archive if archive.stat().st_size else None


def _make(archive: Path, make: Callable[[Path], None]) -> None:
    """Make *archive*, complete or not at all; an empty one stands for a Java that makes none."""
    partial = archive.with_name(f"{archive.name}.partial")
    partial.unlink(missing_ok=True)  # Of one that was interrupted; the JVM would not write over it.
    make(partial)
    partial.touch()
    partial.replace(archive)
