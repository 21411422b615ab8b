"""Applications over the manager's REST API, and what the log shows of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import falcon.asgi
import falcon.testing
import httpx
import pytest

from core.errors import UnavailableError
from services.errors import add_error_handlers
from services.manager.applications import ApplicationResource
from services.worker import Worker
from tests.running import Running
from tests.services.gateway_machine import Machine

IMAGE: dict[str, Any] = {"registry": "bakdata", "imageName": "quick-demo-tinyurl", "tag": "1.0.0"}


@pytest.fixture
def http(running: Running) -> Iterator[httpx.Client]:
    with running.http() as client:
        yield client


@pytest.fixture
def name() -> str:
    return f"application-{uuid.uuid4().hex[:12]}"


def deploy(http: httpx.Client, name: str, **more: Any) -> httpx.Response:
    return http.post("/manager/application", json={"name": name, **IMAGE, **more})


def refusal(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert answer.status_code == body["code"]
    return body["code"], body["detail"]


def test_an_application_from_its_deployment_to_its_deletion(http: httpx.Client, name: str) -> None:
    more = {"replicas": 2, "port": 8080, "imagePullSecret": "regcred", "arguments": {"input-topics": "a", "--kind": ""}}
    deployed = http.post(
        "/manager/application", json={"name": name, **IMAGE, **more}, headers={"Quick-Reason": "counts%20clicks"}
    )
    assert (200, b"") == (deployed.status_code, deployed.content)
    position = int(deployed.headers["Quick-Position"])
    shown = {"name": name, **IMAGE, **more, "position": position}
    assert shown in http.get("/manager/applications").json()
    found = http.get(f"/manager/application/{name}").json()
    by = found.pop("deployed")
    assert shown == found
    assert list(more["arguments"]) == list(found["arguments"])
    assert (position, "default", "counts clicks") == (by["position"], by["actor"], by["reason"])
    assert (400, f"The resource with the name {name} already exists") == refusal(deploy(http, name))

    deleted = http.delete(f"/manager/application/{name}")
    assert (200, b"", True) == (deleted.status_code, deleted.content, "Quick-Position" in deleted.headers)
    missing = (404, f"There is no application {name}. Those that there are: quick app list")
    assert missing == refusal(http.get(f"/manager/application/{name}"))
    assert name not in [application["name"] for application in http.get("/manager/applications").json()]
    again = http.delete(f"/manager/application/{name}")
    assert (200, b"", False) == (again.status_code, again.content, "Quick-Position" in again.headers)

    before = {"asOf": str(position)}
    assert shown in http.get("/manager/applications", params=before).json()
    assert by == http.get(f"/manager/application/{name}", params=before).json()["deployed"]


def test_what_is_left_out_or_null_is_left_out(http: httpx.Client, name: str) -> None:
    nothing = dict.fromkeys(("replicas", "port", "imagePullSecret", "arguments"))
    position = int(deploy(http, name, **nothing).headers["Quick-Position"])
    expected = {"name": name, **IMAGE, "replicas": 1, "arguments": {}, "position": position}
    assert expected in http.get("/manager/applications").json()


def test_a_deployment_and_a_deletion_are_told_by_the_log(http: httpx.Client, name: str) -> None:
    deployed = int(deploy(http, name, arguments={"a.b": "1"}).headers["Quick-Position"])
    deleted = int(http.delete(f"/manager/application/{name}").headers["Quick-Position"])
    commands = http.get("/manager/log", params={"target": f"application/{name}"}).json()["commands"]
    assert [("deploy_application", deployed), ("delete_application", deleted)] == [
        (command["command"], command["position"]) for command in commands
    ]
    (change,) = http.get(f"/manager/log/{deployed}").json()["changes"]
    assert ("created", "application", name) == (change["change"], change["noun"], change["name"])
    assert {"field": "arguments.a.b", "after": "1"} in change["fields"]
    found = http.get("/manager/diff", params={"from": deployed, "to": deleted}).json()["changes"]
    assert ("removed", "application", name) in [(one["change"], one["noun"], one["name"]) for one in found]


def test_a_deployment_is_carried_out_once_under_its_command_id(http: httpx.Client, name: str) -> None:
    headers = {"Quick-Command-Id": str(uuid.uuid4())}
    answers = [http.post("/manager/application", json={"name": name, **IMAGE}, headers=headers) for _ in range(3)]
    assert [200] * 3 == [answer.status_code for answer in answers]
    assert 1 == len({answer.headers["Quick-Position"] for answer in answers})


def test_of_simultaneous_deployments_exactly_one_succeeds(running: Running, name: str) -> None:
    def attempt(number: int) -> int:
        with running.http() as http:
            return deploy(http, name, tag=str(number)).status_code

    with ThreadPoolExecutor(8) as threads:
        assert [200] + [400] * 7 == sorted(threads.map(attempt, range(8)))


@pytest.mark.parametrize(
    "bad",
    [
        {"name": None},
        {"name": "UPPER"},
        {"name": "a/b"},
        {"name": "a" * 100_000},
        {"registry": None},
        {"registry": "https://bakdata"},
        {"imageName": "a:b"},
        {"imageName": ["a"]},
        {"tag": ""},
        {"tag": 1},
        {"replicas": 0},
        {"replicas": 10**30},
        {"replicas": True},
        {"port": 0},
        {"port": 65536},
        {"port": 80.5},
        {"port": "80"},
        {"imagePullSecret": "A_b"},
        {"arguments": ["a=1"]},
        {"arguments": {"a": 1}},
        {"arguments": {"a": None}},
        {"arguments": {"a": "b\nc"}},
        {"arguments": {"a b": ""}},
        {"arguments": {"schema-registry-url": "http://elsewhere"}},
        {"arguments": {"a": "x" * 200_000}},
    ],
)
def test_an_application_that_could_not_run_is_400_and_not_recorded(
    http: httpx.Client, name: str, bad: dict[str, Any]
) -> None:
    answer = http.post("/manager/application", json={"name": name, **IMAGE, **bad})
    code, detail = refusal(answer)
    assert (400, True) == (code, len(detail) < 1_000), detail
    assert [] == http.get("/manager/log", params={"target": f"application/{name}"}).json()["commands"]


def test_half_a_character_in_an_argument_is_400(http: httpx.Client, name: str) -> None:
    body = b'{"name": "NAME", "registry": "b", "imageName": "i", "tag": "1", "arguments": {"a": "\\ud800"}}'
    assert 400 == refusal(http.post("/manager/application", content=body.replace(b"NAME", name.encode())))[0]


def test_an_application_is_shown_without_the_log_too(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.deploy_application("counter")
    machine.log_error = UnavailableError("The command log is not ready: it is being opened.")
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App()
    add_error_handlers(app)
    app.add_route("/{name}", ApplicationResource(cast("Worker", machine)))
    shown = falcon.testing.TestClient(app).simulate_get("/counter").json
    machine.close()
    image = {"registry": "bakdata", "imageName": "counter", "tag": "1"}
    assert {"name": "counter", **image, "replicas": 1, "arguments": {"in.topics": "a"}, "position": 1} == shown
