from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.k8s.cluster import programs
from tests.k8s.cluster.programs import PROGRAMS, BuildError, build, find, folder, missing
from tests.k8s.control_plane import need_programs

NAMES = [program.name for program in PROGRAMS]
GO = """#!/bin/sh
# Stands in for Go: writes what it was asked for into the file after -o.
echo "$@" >> "$GO_CALLS"
while [ "$1" != -o ]; do shift; done
echo half > "$2"
case "$3" in *"$GO_FAILS"*) echo "cannot find module"; exit 1;; esac
echo "$3" > "$2"
chmod +x "$2"
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the cache folder be an empty one."""
    monkeypatch.setenv("QUICK_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def go_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a stand-in for Go first on the PATH, and return the file with what it was asked for."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "go").write_text(GO)
    (bin_folder / "go").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GO_CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("GO_FAILS", "nothing")
    return tmp_path / "calls"


def test_all_programs_are_built_once(go_calls: Path, cache: Path) -> None:
    said: list[str] = []
    build(said.append)
    assert NAMES == list(find())
    assert all(path.parent == folder() and cache in path.parents for path in find().values())
    assert said[0].startswith(f"Building 5 programs of Kubernetes {programs.version()} into {folder()}, once; about ")
    assert NAMES == [line.split(":")[0].strip() for line in said[1:]]
    calls = go_calls.read_text()
    build(said.append)
    assert (6, calls) == (len(said), go_calls.read_text())
    assert sorted(NAMES) == sorted(path.name for path in folder().iterdir())


def test_what_fails_is_no_program_and_the_rest_is_not_built_again(
    go_calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GO_FAILS", "kube-scheduler")
    with pytest.raises(BuildError, match=r"Go cannot build kube-scheduler: cannot find module\..+kube-scheduler\.log"):
        build(lambda _: None)
    assert ["kube-scheduler", "kwok"] == [program.name for program in missing()]
    monkeypatch.setenv("GO_FAILS", "nothing")
    go_calls.unlink()
    said: list[str] = []
    build(said.append)
    assert [] == missing()
    assert 2 == len(go_calls.read_text().splitlines())
    assert said[0].startswith("Building 2 programs")


def test_an_interrupted_build_leaves_nothing_that_counts(go_calls: Path) -> None:
    folder().mkdir(parents=True)
    (folder() / "etcd.partial").write_text("half")
    (folder() / "etcd.partial").chmod(stat.S_IRWXU)
    assert NAMES == [program.name for program in missing()]
    build(lambda _: None)
    assert [] == missing()


def test_programs_that_are_there_already_are_used(
    go_calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in ("etcd", "kube-apiserver"):
        (assets / name).write_text("#!/bin/sh\n")
        (assets / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    assert ["kube-controller-manager", "kube-scheduler", "kwok"] == [program.name for program in missing()]
    build(lambda _: None)
    assert [assets, assets, folder(), folder(), folder()] == [path.parent for path in find().values()]


def test_without_go_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"No go is on the PATH.+Install Go 1\.26.+KUBEBUILDER_ASSETS.+etcd.+kwok"):
        build(lambda _: None)


def test_a_cache_that_cannot_be_written_is_named(go_calls: Path, cache: Path) -> None:
    cache.write_text("no folder")
    with pytest.raises(BuildError, match=rf"Cannot write to {cache}/kubernetes.+Set QUICK_CACHE_DIR"):
        build(lambda _: None)


def test_another_recipe_has_another_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = folder()
    for module in ("kubernetes", "kwok"):
        (tmp_path / module).mkdir()
        for file in (programs.MODULES / module).iterdir():
            (tmp_path / module / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(programs, "MODULES", tmp_path)
    assert before == folder()
    with (tmp_path / "kwok" / "go.sum").open("a") as sums:
        sums.write("more\n")
    assert before != folder()


def test_without_programs_a_test_is_skipped_and_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="Build them once with: make test-cluster"):
        need_programs()


def test_without_programs_a_test_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="Build them once with: make test-cluster"):
        need_programs()


def test_with_all_programs_a_test_runs(go_calls: Path) -> None:
    build(lambda _: None)
    need_programs()
