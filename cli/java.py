"""The Java on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from core.errors import LocalRuntimeError

OLDEST_JAVA = 17
"""Kafka 4 brokers need it."""

_ANSWER_TIMEOUT_S = 30.0
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')  # Java 8 calls itself 1.8.
_WAY_OUT = (
    f"Install Java {OLDEST_JAVA} or newer (Debian: apt install openjdk-17-jre-headless), "
    "or name a Kafka broker that runs already with --kafka HOST:PORT."
)


def find_java() -> str:
    """Return the path of a Java that can run a broker: that of `JAVA_HOME` if set, else the one on the `PATH`.

    Raises:
        LocalRuntimeError: There is none, or it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None:
        raise LocalRuntimeError(f"No java is on the PATH. {_WAY_OUT}")
    version = java_version(java)
    if version < OLDEST_JAVA:
        raise LocalRuntimeError(f"{java} is Java {version}, which is too old. {_WAY_OUT}")
    return java


def java_version(java: str) -> int:
    """Return the major version of the program *java*.

    Raises:
        LocalRuntimeError: It cannot be run, or does not tell.
    """
    try:
        answer = subprocess.run(  # noqa: S603 - the user's own Java
            [java, "-version"], capture_output=True, text=True, timeout=_ANSWER_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LocalRuntimeError(f"{java} cannot be run: {error}. {_WAY_OUT}") from error
    found = _VERSION.search(answer.stderr)
    if found is None:
        text = " ".join(answer.stderr.split()) or f"exit code {answer.returncode}"
        raise LocalRuntimeError(f"{java} does not tell its version: {text}. {_WAY_OUT}")
    return int(found.group(1))
