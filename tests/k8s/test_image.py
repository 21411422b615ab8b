"""The recipe of the image, read as it is: nothing here can build it."""

from __future__ import annotations

import configparser
import fnmatch
import json
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import yaml

from cli.serve import serve
from k8s.settings import KubernetesSettings

ROOT = Path(__file__).parents[2]
GATEWAY = Path(__file__).with_name("golden") / "gateway.yaml"


class Line(NamedTuple):
    """One instruction."""

    stage: int
    word: str
    rest: str


def lines() -> list[Line]:
    """Return the instructions of the Dockerfile, continued lines joined, without comments."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    joined = re.sub(r"\\\n\s*", "", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    found: list[Line] = []
    stage = -1
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        stage += word == "FROM"
        found.append(Line(stage, word, rest))
    return found


def of(word: str, stage: int = 1) -> list[str]:
    """Return what stands behind *word* in a stage; the last stage is the image."""
    return [line.rest for line in lines() if (stage, word) == (line.stage, line.word)]


def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def copied() -> set[str]:
    """Return the paths of the tree that are copied into the build."""
    return {source for rest in of("COPY", stage=0) for source in shlex.split(rest)[:-1]}


def reaches_the_build(path: str) -> bool:
    """Return whether .dockerignore lets *path* through: the last pattern that fits decides."""
    is_in = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!").strip()
        fits = any(fnmatch.fnmatch(part, pattern) for part in (path, *map(str, Path(path).parents)) if part != ".")
        if pattern and not pattern.startswith("#") and fits:
            is_in = line.startswith("!")
    return is_in


def test_what_builds_stays_behind() -> None:
    assert [0, 1] == [line.stage for line in lines() if line.word == "FROM"]
    assert ["--from=build /opt/quick /opt/quick"] == of("COPY")
    assert not [rest for rest in of("RUN") if re.search(r"\b(apt-get|apk|pip|gcc|make)\b", rest)]


def test_both_stages_have_the_same_small_python_under_its_short_name() -> None:
    bases = [line.rest.split()[0] for line in lines() if line.word == "FROM"]
    assert 1 == len(set(bases))
    version = re.fullmatch(r"python:(\d+)\.(\d+)-slim", bases[0])
    assert version is not None, "no registry is named, and the version of Python is"
    oldest = setup()["options"]["python_requires"].removeprefix(">=").split(".")
    assert tuple(map(int, oldest)) <= tuple(map(int, version.groups()))


def test_nothing_is_fetched_from_a_named_host() -> None:
    assert [] == re.findall(r"https?://\S+|--index-url|--extra-index-url", (ROOT / "Dockerfile").read_text())


def test_versions_are_pinned_and_no_compiler_is_needed() -> None:
    [install] = [rest for rest in of("RUN", stage=0) if "pip install" in rest]
    assert "--only-binary=:all:" in install
    assert "-c constraints.txt" in install
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    required = re.findall(r"^[A-Za-z0-9-]+", setup()["options"]["install_requires"], re.MULTILINE)
    assert [] == [name for name in required if not {name.lower(), name.lower().replace("-", "_")} & pinned]


def test_all_packages_are_in_the_image_and_what_their_installation_reads() -> None:
    top = {package.partition(".")[0] for package in setup()["options"]["packages"].split()}
    wanted = top | {"setup.cfg", "pyproject.toml", "constraints.txt", "README.md", "LICENSE"}
    assert wanted == copied()
    assert [] == [source for source in wanted if not (ROOT / source).exists()]


def test_all_that_is_copied_reaches_the_build_and_nothing_beside_it() -> None:
    assert [] == [source for source in copied() if not reaches_the_build(source)]
    assert reaches_the_build("k8s/templates/mirror-statefulset.yaml")
    beside = (".git", ".venv", "tests", "k8s/chart", "k8s/chart/values.yaml", "core/__pycache__/x.pyc", "Dockerfile")
    assert [] == [path for path in beside if reaches_the_build(path)]


def test_it_runs_as_the_user_that_the_objects_in_kubernetes_name() -> None:
    values = yaml.safe_load((ROOT / "k8s" / "chart" / "values.yaml").read_text(encoding="utf-8"))
    user = KubernetesSettings.run_as_user
    assert [f"{user}:{user}"] == of("USER")
    assert user == values["runAsUser"]
    [made] = of("RUN")
    assert f"useradd --uid {user} --gid {user}" in made


def test_it_runs_quick_and_serves_unless_told_otherwise() -> None:
    assert [["quick"]] == [json.loads(rest) for rest in of("ENTRYPOINT")]
    assert "quick = cli.main:main" in setup()["options.entry_points"]["console_scripts"]
    [command, *options] = json.loads(of("CMD")[0])
    assert "serve" == command
    with serve.make_context("serve", [*options, "--kafka=kafka:9092"]) as context:
        assert ("all", "0.0.0.0", 8080) == tuple(context.params[name] for name in ("role", "host", "port"))


def test_folders_and_ports_are_those_that_the_objects_in_kubernetes_name() -> None:
    [made] = [one for one in yaml.safe_load_all(GATEWAY.read_text(encoding="utf-8")) if one["kind"] == "Deployment"]
    [container] = made["spec"]["template"]["spec"]["containers"]
    environ = {one["name"]: one["value"] for one in container["env"]}
    assert f"QUICK_DATA_DIR={environ['QUICK_DATA_DIR']}" in of("ENV")[0].split()
    assert [" ".join(str(port["containerPort"]) for port in container["ports"])] == of("EXPOSE")
    assert [environ["QUICK_DATA_DIR"]] == of("VOLUME")
    assert container["command"] == json.loads(of("ENTRYPOINT")[0])
