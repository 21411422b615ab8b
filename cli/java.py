"""The Java on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from core.errors import LocalRuntimeError

OLDEST_JAVA = 17
"""Kafka 4 brokers need it."""

_ANSWER_TIMEOUT_S = 30.0
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')  # Java 8 calls itself 1.8.
_WAY_OUT = (
    f"Install Java {OLDEST_JAVA} or newer (Debian: apt install openjdk-17-jre-headless), "
    "or name a Kafka broker that runs already with --kafka HOST:PORT."
)


class Java(NamedTuple):
    """A program that runs Java."""

    path: str
    version: int
    """The major one."""
    description: str
    """How it names itself."""


def find_java() -> Java:
    """Return a Java that can run a broker: that of `JAVA_HOME` if set, else the one on the `PATH`.

    Raises:
        LocalRuntimeError: There is none, or it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    path = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if path is None:
        raise LocalRuntimeError(f"No java is on the PATH. {_WAY_OUT}")
    java = _asked(path)
    if java.version < OLDEST_JAVA:
        raise LocalRuntimeError(f"{path} is Java {java.version}, which is too old. {_WAY_OUT}")
    return java


def _asked(path: str) -> Java:
    try:
        answer = subprocess.run(  # noqa: S603 - the user's own Java
            [path, "-version"], capture_output=True, text=True, timeout=_ANSWER_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LocalRuntimeError(f"{path} cannot be run: {error}. {_WAY_OUT}") from error
    found = _VERSION.search(answer.stderr)
    if found is None:
        text = " ".join(answer.stderr.split()) or f"exit code {answer.returncode}"
        raise LocalRuntimeError(f"{path} does not tell its version: {text}. {_WAY_OUT}")
    return Java(path, int(found.group(1)), answer.stderr.strip())
