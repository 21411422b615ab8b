"""The programs of the tests' Kubernetes cluster, built once by Go into the user's cache folder.

    <cache>/kubernetes/<version>-<hash>/etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok

The hash stands for all that decides what comes out, so that another version never meets old programs. Each program
appears when it is complete: an interrupted run goes on where it was, and what Go has compiled is in Go's own cache.
One process builds at a time, the others wait for it. Where `KUBEBUILDER_ASSETS` names a folder, the programs that are
in there are used (envtest has no more than etcd and kube-apiserver), and the others are built.

`python -m tests.k8s.cluster.programs` builds what is missing; `make test-cluster` is the name for it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cli.cache import cache_folder

MODULES = Path(__file__).parent
"""One folder for each Go module: their dependencies clash."""


class Program(NamedTuple):
    """One program, and how it is made."""

    name: str
    module: str
    """Subfolder of `MODULES`."""
    package: str
    about_s: int
    """Seconds that two idle cores need, for the people who wait."""


PROGRAMS = (
    Program("etcd", "kubernetes", "go.etcd.io/etcd/server/v3", 45),
    Program("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", 200),
    Program("kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager", 50),
    Program("kube-scheduler", "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler", 20),
    Program("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok", 75),
)

_VERSION = re.compile(r"^\s*(?:require )?k8s\.io/kubernetes v(\S+)", re.MULTILINE)
NOT_BUILT = "The programs of the tests' Kubernetes cluster are not built. Build them once with: make test-cluster"
"""Why tests are skipped."""


class BuildError(Exception):
    """The programs cannot be built; the message says why and what to do."""


def version() -> str:
    """Return the version of Kubernetes that the tests use."""
    found = _VERSION.search((MODULES / "kubernetes" / "go.mod").read_text())
    assert found is not None, "the go.mod names it"
    return found.group(1)


def folder() -> Path:
    """Return where the built programs are, or will be."""
    recipe = hashlib.sha256(repr((PROGRAMS, _ld_flags())).encode())
    for file in sorted(MODULES.glob("*/go.*")):
        recipe.update(file.read_bytes())
    return cache_folder().absolute() / "kubernetes" / f"{version()}-{recipe.hexdigest()[:8]}"


def find() -> dict[str, Path]:
    """Return the path of each program that is there, by its name."""
    places = [folder()]
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        places.insert(0, Path(assets))
    found = {}
    for program in PROGRAMS:
        candidates = [place / program.name for place in places if os.access(place / program.name, os.X_OK)]
        if candidates:
            found[program.name] = candidates[0]
    return found


def missing() -> list[Program]:
    """Return the programs that are nowhere yet."""
    found = find()
    return [program for program in PROGRAMS if program.name not in found]


def build(say: Callable[[str], None]) -> None:
    """Build what is missing.

    Args:
        say: Takes one line for the people who wait.

    Raises:
        BuildError: There is no Go, it fails, or the cache folder cannot be written.
    """
    if not missing():
        return
    go = _find_go()
    target = folder()
    try:
        target.mkdir(parents=True, exist_ok=True)
        with (target.parent / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Another process may have built some of them while this one waited.
            _build_all(go, missing(), target, say)
    except OSError as error:
        raise BuildError(
            f"Cannot write to {target}: {error.strerror}. Set QUICK_CACHE_DIR to a folder that can be written."
        ) from error


def _build_all(go: str, programs: list[Program], target: Path, say: Callable[[str], None]) -> None:
    if programs:
        minutes = sum(program.about_s for program in programs) / 60
        say(f"Building {len(programs)} programs of Kubernetes {version()} into {target}, once; about {minutes:.0f} min")
    for program in programs:
        started = time.monotonic()
        _build_one(go, program, target)
        say(f"  {program.name}: {time.monotonic() - started:.0f} s")


def _build_one(go: str, program: Program, target: Path) -> None:
    partial = target / f"{program.name}.partial"
    log = target / f"{program.name}.log"
    argv = [go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", _ld_flags(), "-o", str(partial)]
    with log.open("wb") as output:
        answer = subprocess.run(
            # Tests may run beside it, and an editor: both come first.
            ["nice", "-n", "19", *argv, program.package],
            cwd=MODULES / program.module,
            env={**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
        )
    if answer.returncode != 0:
        lines = log.read_text(errors="replace").splitlines()
        raise BuildError(
            f"Go cannot build {program.name}: {lines[-1] if lines else f'exit code {answer.returncode}'}."
            f" The whole output is in {log}. Check the network, GOPROXY and the free space, then run it again: what is"
            " done stays done."
        )
    partial.rename(target / program.name)
    log.unlink()


def _find_go() -> str:
    go = shutil.which("go")
    if go is None:
        raise BuildError(
            "No go is on the PATH, and the programs of the tests' Kubernetes cluster have to be built. Install Go 1.26"
            " or newer, or set KUBEBUILDER_ASSETS to a folder that holds"
            f" {', '.join(program.name for program in missing())}. Without them, tests that need a cluster are skipped."
        )
    return go


def _ld_flags() -> str:
    """Return the linker's flags: no debugging data, and the version, which Kubernetes' own scripts would set."""
    major, minor, _ = version().split(".")
    values = {"gitVersion": f"v{version()}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return " ".join(["-s", "-w", *(f"-X=k8s.io/component-base/version.{key}={value}" for key, value in values.items())])


def main() -> None:
    """Build what is missing, and say so; a second run says and does nothing."""
    try:
        build(lambda line: print(line, flush=True))  # noqa: T201 - a program for people
    except BuildError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
