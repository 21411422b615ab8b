"""The schema of a gateway over REST: applied, checked and read, at the manager's paths and at the gateway's own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.running import Running

SDL = """
type Query { item(id: Int): Item @topic(name: "TOPIC", keyArgument: "id") }
type Item { id: Int!  name: String  others: [Item] @topic(name: "TOPIC") }
"""
PLACES = ["/manager/gateway/{}/schema", "/gateway/{}/control/schema"]


@pytest.fixture
def http(running: Running) -> Iterator[httpx.Client]:
    with running.http() as client:
        yield client


@pytest.fixture
def gateway(http: httpx.Client) -> str:
    name = f"control-{uuid.uuid4().hex[:12]}"
    http.post("/manager/gateway", json={"name": name}).raise_for_status()
    return name


def sdl_of(gateway: str) -> str:
    return SDL.replace("TOPIC", gateway)


def post(http: httpx.Client, place: str, gateway: str, sdl: str, **parameters: Any) -> httpx.Response:
    return http.post(place.format(gateway), json={"schema": sdl}, params=parameters)


def detail(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["detail"]


@pytest.mark.parametrize("place", PLACES)
def test_a_schema_is_applied_and_recorded_without_a_word(
    http: httpx.Client, running: Running, gateway: str, place: str
) -> None:
    applied = post(http, place, gateway, sdl_of(gateway))
    assert (200, b"") == (applied.status_code, applied.content)
    assert {"schema": sdl_of(gateway)} == http.get(f"/manager/gateway/{gateway}/schema").json()
    before = int(applied.headers["Quick-Position"]) - 1
    assert {"schema": ""} == http.get(f"/manager/gateway/{gateway}/schema", params={"asOf": before}).json()
    answer: Any = running.ask(gateway, '{ __type(name: "Item") { name } }')
    assert {"data": {"__type": {"name": "Item"}}} == answer
    command = http.get(f"/manager/log/{applied.headers['Quick-Position']}").json()
    assert ("apply_schema", {"breaking": 0, "dangerous": 0, "safe": 2}) == (
        command["command"],
        command["events"][0]["facts"]["counts"],
    )


@pytest.mark.parametrize("place", PLACES)
def test_a_dry_run_tells_what_would_change_and_changes_nothing(http: httpx.Client, gateway: str, place: str) -> None:
    post(http, place, gateway, sdl_of(gateway)).raise_for_status()
    new = sdl_of(gateway).replace("name: String", "title: String")
    checked = post(http, place, gateway, new, dryRun="true")
    assert 200 == checked.status_code
    assert "Quick-Position" not in checked.headers
    report = checked.json()
    assert {"changed", "changes", "warnings", "breaking", "diff"} == set(report)
    assert (True, 1) == (report["changed"], report["breaking"])
    assert {
        "severity": "breaking",
        "coordinate": "Item.name",
        "text": "Field Item.name was removed.",
        "wayOut": "Keep it and mark it @deprecated; remove it when no operation uses it.",
    } == report["changes"][0]
    assert f'topic "{gateway}" does not exist yet (line 2, column 34)' == report["warnings"][0]
    assert "+type Item { id: Int!  title: String" in report["diff"]
    assert {"schema": sdl_of(gateway)} == http.get(f"/manager/gateway/{gateway}/schema").json()
    same = post(http, place, gateway, sdl_of(gateway), dryRun="true").json()
    assert (False, [], 0, "") == (same["changed"], same["changes"], same["breaking"], same["diff"])


@pytest.mark.parametrize("place", PLACES)
def test_what_breaks_somebody_is_refused_where_that_is_wanted(http: httpx.Client, gateway: str, place: str) -> None:
    post(http, place, gateway, sdl_of(gateway)).raise_for_status()
    new = sdl_of(gateway).replace("name: String", "title: String")
    code, text = detail(post(http, place, gateway, new, failOnBreaking="true"))
    assert 409 == code
    assert text.startswith(f"The schema was not applied to gateway {gateway}: it has 1 breaking change.")
    assert "\n- Field Item.name was removed. Keep it" in text
    assert {"schema": sdl_of(gateway)} == http.get(f"/manager/gateway/{gateway}/schema").json()
    applied = post(http, place, gateway, new, report="true")
    assert (200, 1) == (applied.status_code, applied.json()["breaking"])
    assert int(applied.headers["Quick-Position"]) > 0


@pytest.mark.parametrize("place", PLACES)
def test_what_cannot_be_applied_is_refused_as_quick_says_it(http: httpx.Client, gateway: str, place: str) -> None:
    code, text = detail(post(http, place, gateway, "type Query { a: Unknown }"))
    assert (400, "Could not parse GraphQL schema: - Unknown type 'Unknown'. (line 1, column 17)") == (code, text)
    assert (404, "Could not find resource nowhere") == detail(post(http, place, "nowhere", sdl_of(gateway)))
    assert (404, "Could not find resource nowhere") == detail(
        post(http, place, "nowhere", sdl_of(gateway), dryRun="true")
    )
    assert 400 == http.post(place.format(gateway), json={"sdl": ""}).status_code
    assert 400 == post(http, place, gateway, sdl_of(gateway), dryRun="perhaps").status_code


def test_a_type_is_shown_as_topics_store_it(http: httpx.Client, gateway: str) -> None:
    post(http, PLACES[0], gateway, sdl_of(gateway)).raise_for_status()
    shown = {"schema": "type Item {\n  id: Int!\n  name: String\n}"}
    assert shown == http.get(f"/gateway/{gateway}/schema/Item").json()
    assert shown == http.get(f"/manager/gateway/{gateway}/schema/Item/graphql").json()
    assert "message Item {" in http.get(f"/manager/gateway/{gateway}/schema/Item/protobuf").json()["schema"]
    for place in ("/gateway/{}/schema/{}", "/manager/gateway/{}/schema/{}/avro"):
        assert (400, "Type Nothing does not exist") == detail(http.get(place.format(gateway, "Nothing")))
        assert (404, "Could not find resource nowhere") == detail(http.get(place.format("nowhere", "Item")))


def test_a_description_tells_what_the_schema_holds_and_who_applied_it(http: httpx.Client, gateway: str) -> None:
    headers = {"Quick-Reason": "why%20not"}
    applied = http.post(PLACES[0].format(gateway), json={"schema": sdl_of(gateway)}, headers=headers)
    shown = http.get(f"/manager/gateway/{gateway}").json()
    assert (["Item", "Query"], [gateway]) == (shown["types"], shown["topics"])
    changed = shown["changed"]
    assert (int(applied.headers["Quick-Position"]), "default", "why not") == (
        changed["position"],
        changed["actor"],
        changed["reason"],
    )
