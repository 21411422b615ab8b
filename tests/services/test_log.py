"""The log over REST: pages, filters, one command whole, differences, moments of the past."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.running import Running

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def http(running: Running) -> Iterator[httpx.Client]:
    with running.http() as client:
        yield client


@pytest.fixture
def gateway(http: httpx.Client) -> str:
    """Return the name of a gateway that was created and got three schemas: four commands."""
    name = f"log-{uuid.uuid4().hex[:8]}"
    http.post("/manager/gateway", json={"name": name}, headers={"Quick-Reason": "for%20a%20test"}).raise_for_status()
    for number in range(3):
        http.post(f"/manager/gateway/{name}/schema", json={"schema": sdl(number)}).raise_for_status()
    return name


def sdl(number: int) -> str:
    return f'type Query {{\n  item{number}(id: Long): String @topic(name: "t", keyArgument: "id")\n}}\n'


def commands(http: httpx.Client, **parameters: Any) -> list[dict[str, Any]]:
    """Return all commands that fit, through all pages, newest last."""
    found: list[dict[str, Any]] = []
    while True:
        answer = http.get("/manager/log", params=parameters)
        assert 200 == answer.status_code, answer.text
        page = answer.json()
        found = page["commands"] + found
        if page["next"] is None:
            return found
        parameters["before"] = page["next"]


def test_pages_join_without_gap_or_repetition(http: httpx.Client, gateway: str) -> None:
    everything = commands(http, limit=1000)
    assert everything == commands(http, limit=3)
    positions = [command["position"] for command in everything]
    assert sorted(set(positions)) == positions
    assert 4 == sum(command["target"] == f"gateway/{gateway}" for command in everything)


def test_filters_find_commands_by_what_they_are_about(http: httpx.Client, gateway: str) -> None:
    target = f"gateway/{gateway}"
    assert 4 == len(commands(http, target=target))
    assert 4 == len(commands(http, target=f"gateway/{gateway[:-1]}*", limit=2))
    assert 3 == len(commands(http, target=target, command="apply_schema"))
    assert 0 == len(commands(http, target=target, actor="nobody"))
    assert 4 == len(commands(http, target=target, actor="default"))


def test_filters_find_commands_by_time(http: httpx.Client, gateway: str) -> None:
    first, *_, last = commands(http, target=f"gateway/{gateway}")
    assert 4 == len(commands(http, target=f"gateway/{gateway}", since=first["time"], until=last["time"]))
    assert [] == commands(http, target=f"gateway/{gateway}", until="2001-01-01T00:00:00Z")
    assert [] == commands(http, target=f"gateway/{gateway}", since="2999-01-01T00:00:00Z")


def test_a_reader_follows_from_a_position_on(http: httpx.Client, gateway: str) -> None:
    first, *rest = commands(http, target=f"gateway/{gateway}")
    page = http.get("/manager/log", params={"after": first["position"], "target": f"gateway/{gateway}"}).json()
    assert rest == page["commands"]
    assert page["next"] >= rest[-1]["position"]


def test_a_reader_that_waits_hears_of_a_new_command(running: Running, http: httpx.Client, gateway: str) -> None:
    last = commands(http, limit=1000)[-1]["position"]
    heard: list[dict[str, Any]] = []

    def wait() -> None:
        with running.http() as other:
            heard.extend(other.get("/manager/log", params={"after": last, "wait": 30}).json()["commands"])

    waiting = threading.Thread(target=wait)
    waiting.start()
    http.delete(f"/manager/gateway/{gateway}").raise_for_status()
    waiting.join(60)
    assert not waiting.is_alive()
    assert ["delete_gateway"] == [command["command"] for command in heard]


def test_one_command_is_shown_whole(http: httpx.Client) -> None:
    name, command_id = f"whole-{uuid.uuid4().hex[:8]}", str(uuid.uuid4())
    headers = {
        "Quick-Command-Id": command_id,
        "Quick-Source": "me@here",
        "Quick-Reason": "because%20%C3%BC",
        "traceparent": TRACE,
    }
    created = http.post(
        f"/manager/topic/{name}", params={"keyType": "long", "valueType": "string"}, json={}, headers=headers
    )
    position = int(created.headers["Quick-Position"])
    shown = http.get(f"/manager/log/{position}").json()
    assert {
        "position": position,
        "actor": "default",
        "source": "me@here",
        "command": "create_topic",
        "target": f"topic/{name}",
        "reason": "because ü",
        "command_id": command_id,
        "trace": TRACE,
        "is_restored": False,
    }.items() <= shown.items()
    assert shown["issued_at"][:10] == shown["time"][:10]
    assert ["quick:TopicCreated", "quick:MirrorCreated"] == [event["type"] for event in shown["events"]]
    assert name == shown["events"][0]["facts"]["name"]
    assert [("created", "topic"), ("created", "mirror")] == [(c["change"], c["noun"]) for c in shown["changes"]]
    inside = http.get(f"/manager/log/{position - 1}").json()
    assert shown == inside, "each position of a command shows the command"


def test_a_trace_context_of_another_form_is_ignored(http: httpx.Client) -> None:
    created = http.post(
        "/manager/gateway", json={"name": f"t-{uuid.uuid4().hex[:8]}"}, headers={"traceparent": "nonsense"}
    )
    assert http.get(f"/manager/log/{created.headers['Quick-Position']}").json()["trace"] is None


def test_the_difference_between_two_moments_shows_schemas_as_text_diffs(http: httpx.Client, gateway: str) -> None:
    created, first, _, last = (c["position"] for c in commands(http, target=f"gateway/{gateway}"))
    answer = http.get("/manager/diff", params={"from": first, "to": last}).json()
    (change,) = answer["changes"]
    assert ("changed", "gateway", gateway) == (change["change"], change["noun"], change["name"])
    assert "-  item0" in change["fields"][0]["diff"]
    assert "+  item2" in change["fields"][0]["diff"]
    assert [] == http.get("/manager/diff", params={"from": created, "to": created}).json()["changes"]


@pytest.mark.parametrize("by", ["position", "time"])
def test_the_past_is_shown_as_it_was(http: httpx.Client, by: str) -> None:
    name = f"past-{uuid.uuid4().hex[:8]}"
    types = {"keyType": "long", "valueType": "string"}
    created = http.post(f"/manager/topic/{name}", params=types, json={})
    then: Any = int(created.headers["Quick-Position"])
    if by == "time":
        then = http.get(f"/manager/log/{then}").json()["time"]
    http.delete(f"/manager/topic/{name}").raise_for_status()
    assert name in [topic["name"] for topic in http.get("/manager/topics", params={"asOf": then}).json()]
    assert name in [mirror["name"] for mirror in http.get("/manager/mirrors", params={"asOf": then}).json()]
    assert "LONG" == http.get(f"/manager/topic/{name}", params={"asOf": then}).json()["keyType"]
    assert name == http.get(f"/manager/topic/{name}/mirror", params={"asOf": then}).json()["topicName"]
    assert 404 == http.get(f"/manager/topic/{name}").status_code
    assert 404 == http.get(f"/manager/topic/{name}", params={"asOf": 0}).status_code


def test_a_command_happens_as_a_whole_at_any_of_its_positions(http: httpx.Client) -> None:
    name = f"whole-{uuid.uuid4().hex[:8]}"
    created = http.post(f"/manager/topic/{name}", params={"keyType": "long", "valueType": "string"}, json={})
    inside = int(created.headers["Quick-Position"]) - 1
    assert 200 == http.get(f"/manager/topic/{name}/mirror", params={"asOf": inside}).status_code


def test_gateways_of_the_past_have_the_schema_of_the_past(http: httpx.Client, gateway: str) -> None:
    created, *_ = (c["position"] for c in commands(http, target=f"gateway/{gateway}"))
    assert gateway in [one["name"] for one in http.get("/manager/gateways", params={"asOf": created}).json()]
    then = http.get(f"/manager/gateway/{gateway}", params={"asOf": created}).json()
    now = http.get(f"/manager/gateway/{gateway}").json()
    assert ("warnings" in then, "warnings" in now) == (False, True)


@pytest.mark.parametrize(
    ("path", "parameters", "reason"),
    [
        ("/manager/log", {"limit": "0"}, "from 1 to 1000"),
        ("/manager/log", {"limit": "many"}, "from 1 to 1000"),
        ("/manager/log", {"before": "-1"}, "before='-1' cannot be used"),
        ("/manager/log", {"before": "999999999"}, "no position 999999999"),
        ("/manager/log", {"after": "999999999"}, "no position 999999999"),
        ("/manager/log", {"after": "1", "wait": "3600"}, "from 0 to 30"),
        ("/manager/log", {"wait": "3600"}, "from 0 to 30"),
        ("/manager/log", {"since": "yesterday"}, "is no moment"),
        ("/manager/log", {"since": "2026-01-01T00:00:00"}, "offset from UTC"),
        ("/manager/topics", {"asOf": "999999999"}, "has not come yet"),
        ("/manager/topics", {"asOf": "-1"}, "is no moment"),
        ("/manager/topics", {"asOf": "9" * 50}, "is no moment"),
        ("/manager/diff", {}, "from is missing"),
        ("/manager/diff", {"from": "1", "to": "0"}, "lies behind"),
        ("/manager/replay", {"view": "nothing"}, "no view 'nothing'"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_reason(
    http: httpx.Client, gateway: str, path: str, parameters: dict[str, str], reason: str
) -> None:
    answer = http.get(path, params=parameters)
    assert 400 == answer.status_code, answer.text
    assert reason in answer.json()["detail"]


@pytest.mark.parametrize("position", ["999999999", "-1", "9" * 30])
def test_a_position_that_does_not_exist_is_not_found(http: httpx.Client, position: str) -> None:
    answer = http.get(f"/manager/log/{position}")
    assert (404, True) == (answer.status_code, "it ends at" in answer.json()["detail"])


def test_the_same_command_id_answers_the_same_and_records_nothing(http: httpx.Client) -> None:
    name, headers = f"again-{uuid.uuid4().hex[:8]}", {"Quick-Command-Id": str(uuid.uuid4())}
    first, second = (http.post("/manager/gateway", json={"name": name}, headers=headers) for _ in range(2))
    assert 200 == first.status_code == second.status_code
    assert first.headers["Quick-Position"] == second.headers["Quick-Position"]
    assert 1 == len(commands(http, target=f"gateway/{name}"))


def test_a_command_id_is_not_taken_for_another_command(http: httpx.Client, gateway: str) -> None:
    headers = {"Quick-Command-Id": commands(http, target=f"gateway/{gateway}")[0]["command_id"]}
    answer = http.post("/manager/gateway", json={"name": f"{gateway}-2"}, headers=headers)
    assert 400 == answer.status_code
    assert "is that of another command" in answer.json()["detail"]
