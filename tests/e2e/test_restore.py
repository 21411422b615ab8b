"""The drill: everything that was declared comes back in another cluster, from a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.running import Running

if TYPE_CHECKING:
    from cli.local_kafka import LocalKafka

SDL = """
type Query { item(id: Long): Item @topic(name: "restore-item", keyArgument: "id") }
type Item { id: Int!  name: String }
"""


def declared(running: Running) -> list[Any]:
    paths = ("topics", "gateways", "mirrors", "applications", "keys", "log", "log/3", "topic/restore-item")
    with running.http() as http:
        return [without_offsets(http.get(f"/manager/{path}").json()) for path in paths]


def without_offsets(body: Any) -> Any:
    """Leave out what only tells where a record lies in Kafka, and that it was restored."""
    if isinstance(body, dict):
        return {name: value for name, value in body.items() if name not in {"offset", "is_restored"}}
    return body


def test_an_export_is_restored_into_an_empty_cluster(
    new_running: Callable[..., Running], broker: Callable[..., LocalKafka]
) -> None:
    old = new_running()
    old.start()
    old.quick("gateway", "create", "shop", "-m", "first")
    old.quick("gateway", "apply", "shop", "-f", "-", stdin=SDL)
    old.quick("topic", "create", "restore-item", "-k", "long", "-v", "schema", "-s", "shop.Item")
    old.quick("topic", "create", "restore-gone", "-k", "long", "-v", "string")
    old.quick("topic", "delete", "restore-gone", "-m", "a mistake")
    old.quick("app", "deploy", "counter", "--registry", "r", "--image", "i", "--tag", "1", "--args", "in=restore-item")
    key = old.quick("key", "create", "reader", "-s", "manage").splitlines()[0]
    file = old.folder / "log.avro"
    assert f"Exported 7 commands to {file}\n" == old.quick("log", "export", str(file))
    before = declared(old)
    old.stop()

    new = new_running(broker().bootstrap)
    new.start()
    assert new.quick("log", "restore", str(file), "--dry-run").startswith("Would restore 7 commands")
    assert [] == declared(new)[0]
    assert new.quick("log", "restore", str(file)).startswith("Restored 7 commands")
    new.await_health()
    assert before == declared(new)
    assert "The log is sound" in new.quick("log", "verify")
    assert "7 of 7 commands are there already" in new.quick("log", "restore", str(file))

    with new.http() as http:
        http.headers["X-API-Key"] = key
        assert 200 == http.get("/manager/topics").status_code
    new.include("restore-item", new.ingest("restore-item", {"key": 1, "value": {"id": 1, "name": "one"}}))
    assert {"item": {"name": "one"}} == new.data("shop", "{ item(id: 1) { name } }")
    new.quick("topic", "create", "more", "-k", "long", "-v", "schema", "-s", "shop.Item")
    assert "not empty" in new.quick("log", "restore", str(file), code=1)
    new.stop()


def test_a_log_is_exported_from_its_data_folder_when_no_server_can_start(running: Running) -> None:
    running.quick("gateway", "create", "offline")
    online, offline = running.folder / "online.avro", running.folder / "offline.avro"
    running.quick("log", "export", str(online))
    told = running.quick(
        "log", "export", str(offline), "--data-dir", str(running.data_dir), "--log-topic", running.log_topic
    )
    assert "Exported" in told
    assert abs(len(online.read_bytes()) - len(offline.read_bytes())) < 200
