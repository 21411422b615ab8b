"""What is declared to run, as the manager tells it to whoever deploys it."""

from __future__ import annotations

import uuid

import httpx
import msgspec

from core.gateways import Gateway
from projections.declarations import Declarations
from tests.running import Running
from tests.services.test_manager import create

SDL = "type Query {\n  a: Int # ends with its line\n}\n"


def declared(http: httpx.Client, **at: str) -> Declarations:
    return msgspec.json.decode(
        http.get("/manager/declarations", params=at).raise_for_status().content, type=Declarations
    )


def test_a_gateway_is_declared_with_its_schema_and_without_a_tag_that_nobody_set(running: Running) -> None:
    name = f"declared-{uuid.uuid4().hex[:12]}"
    with running.http() as http:
        before = declared(http)
        created = http.post("/manager/gateway", json={"name": name, "replicas": 2, "schema": SDL}).raise_for_status()
        position = int(created.headers["Quick-Position"])
        now = declared(http)
        (row,) = [row for row in now.gateways if row.state.name == name]
        assert (position, position) == (row.incarnation, row.position)
        assert Gateway(name=name, replicas=2, tag=None, sdl=SDL) == row.state
        assert (before.log, True) == (now.log, now.position >= position > before.position)
        then = declared(http, asOf=str(position - 1))
        assert (position - 1, []) == (then.position, [row for row in then.gateways if row.state.name == name])


def test_a_mirror_keeps_the_position_of_its_last_change(running: Running, topic_name: str) -> None:
    with running.http() as http:
        create(http, topic_name).raise_for_status()
        (created,) = [row for row in declared(http).mirrors if row.state.name == topic_name]
        altered = http.patch(f"/manager/topic/{topic_name}/mirror", json={"retentionTime": "P1D"}).raise_for_status()
        (row,) = [row for row in declared(http).mirrors if row.state.name == topic_name]
        assert (created.incarnation, int(altered.headers["Quick-Position"])) == (row.incarnation, row.position)
        assert 86_400_000 == row.state.definition.retention_ms
