"""Helm, built once by Go into the user's cache folder, for the tests of the chart.

    <cache>/helm/<version>/helm

`python -m tests.k8s.helm.program` builds it where it is missing; `make test-cluster` does so too.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.cache import cache_folder

MODULE = Path(__file__).parent
_VERSION = re.compile(r"^\s*helm\.sh/helm/v3 (v\S+)", re.MULTILINE)


class BuildError(Exception):
    """Helm cannot be built; the message says why and what to do."""


def version() -> str:
    """Return the version of Helm that the tests use."""
    found = _VERSION.search((MODULE / "go.mod").read_text())
    assert found is not None, "the go.mod names it"
    return found.group(1)


def path() -> Path:
    """Return where Helm is, or will be."""
    return cache_folder().absolute() / "helm" / version() / "helm"


def is_there() -> bool:
    """Return whether Helm is built."""
    return os.access(path(), os.X_OK)


def need() -> None:
    """Skip the test where Helm is not built, and fail where everything has to run."""
    if not is_there():
        reason = "Helm, which renders and installs the chart, is not built. Build it once with: make test-cluster"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def build() -> None:
    """Build Helm where it is missing. It appears when it is complete; what Go has compiled is not compiled again.

    Raises:
        BuildError: There is no Go, it fails, or the cache folder cannot be written.
    """
    if is_there():
        return
    go = shutil.which("go")
    if go is None:
        raise BuildError(
            "No go is on the PATH, and Helm has to be built. Install Go 1.26 or newer. Without Helm, the tests that"
            " render the chart are skipped."
        )
    partial = path().with_name(f"helm.{os.getpid()}")
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        _build(go, partial)
        partial.replace(path())
    except OSError as error:
        raise BuildError(
            f"Cannot write to {partial.parent}: {error.strerror}. Set QUICK_CACHE_DIR to a folder that can be written."
        ) from error


def _build(go: str, target: Path) -> None:
    flags = f"-s -w -X=helm.sh/helm/v3/internal/version.version={version()}"
    argv = [go, "build", "-p", "1", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", flags]
    answer = subprocess.run(
        # Tests may run beside it, and an editor: both come first.
        ["nice", "-n", "19", *argv, "-o", str(target), "helm.sh/helm/v3/cmd/helm"],
        cwd=MODULE,
        env={**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        lines = answer.stderr.strip().splitlines()
        raise BuildError(
            f"Go cannot build Helm: {lines[-1] if lines else f'exit code {answer.returncode}'}. Check the network,"
            " GOPROXY and the free space, then run it again: what is done stays done."
        )


def main() -> None:
    """Build Helm where it is missing, and say so; a second run says and does nothing."""
    if not is_there():
        print(f"Building Helm {version()} into {path().parent}, once; about 2 min", flush=True)  # noqa: T201
    try:
        build()
    except BuildError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
