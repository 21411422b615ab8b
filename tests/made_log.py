"""A command log that a test writes by hand, folded into an index: no broker is needed for what only reads."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.aggregates import LogEvent, aggregate_id
from core.applications import ApplicationDeleted, ApplicationDeployed
from core.event_mapper import EventMapper
from core.gateways import GatewayCreated, GatewayDeleted, GatewaySchemaApplied
from core.log_index import LogIndex
from core.log_rows import LogEntry
from core.mirrors import MirrorAltered, MirrorCreated, MirrorDeleted
from core.record import FORMAT, CommandRecord, RecordedEvent, encode
from core.topics import TopicCreated, TopicDeleted


class MadeLog:
    """An index that is fed command by command; each takes a second of its clock."""

    def __init__(self, folder: Path) -> None:
        self.index = LogIndex(folder, "made-log")
        self._mapper = EventMapper()
        self._versions: dict[uuid.UUID, int] = {}
        self._offset = 0

    def record(self, command: str, target: str, *events: LogEvent, **more: Any) -> int:
        """Append a command and return its position."""
        recorded = []
        for event in events:
            stored = self._mapper.to_stored_event(event)
            recorded.append(
                RecordedEvent(str(stored.originator_id), stored.originator_version, stored.topic, stored.state.decode())
            )
        record = CommandRecord(
            format=FORMAT,
            application="quick",
            command_id=str(uuid.uuid4()),
            command=command,
            target=target,
            events=tuple(recorded),
            **more,
        )
        self.raw(encode(record))
        return self.index.max_notification_id() or 0

    def raw(self, value: bytes | None) -> int:
        """Append the value of a Kafka record and return its offset."""
        offset, self._offset = self._offset, self._offset + 1
        self.index.fold([LogEntry(offset, 1000 * (offset + 1), value)])
        return offset

    def event(self, noun: str, name: str, kind: type[LogEvent], **facts: Any) -> LogEvent:
        """Return the next event of a thing."""
        originator = aggregate_id(noun, name)
        self._versions[originator] = self._versions.get(originator, 0) + 1
        return kind(originator_id=originator, originator_version=self._versions[originator], name=name, **facts)

    def create_gateway(self, name: str, sdl: str = "", **more: Any) -> int:
        created = self.event("gateway", name, GatewayCreated, replicas=1, tag=None, sdl=sdl)
        return self.record("create_gateway", f"gateway/{name}", created, **more)

    def apply_schema(self, name: str, sdl: str, **more: Any) -> int:
        applied = self.event("gateway", name, GatewaySchemaApplied, sdl=sdl)
        return self.record("apply_schema", f"gateway/{name}", applied, **more)

    def delete_gateway(self, name: str, **more: Any) -> int:
        return self.record("delete_gateway", f"gateway/{name}", self.event("gateway", name, GatewayDeleted), **more)

    def deploy_application(self, name: str, **more: Any) -> int:
        declared = {"registry": "bakdata", "image_name": "counter", "tag": "1", "replicas": 1, "port": None}
        deployed = self.event(
            "application", name, ApplicationDeployed, **declared, image_pull_secret=None, arguments={"in.topics": "a"}
        )
        return self.record("deploy_application", f"application/{name}", deployed, **more)

    def delete_application(self, name: str, **more: Any) -> int:
        deleted = self.event("application", name, ApplicationDeleted)
        return self.record("delete_application", f"application/{name}", deleted, **more)

    def create_topic(self, name: str, facts: Mapping[str, object] | None = None, **more: Any) -> int:
        """Create a topic, with the *facts* of its event that matter."""
        declared: dict[str, object] = {
            "write_type": "MUTABLE",
            "key_type": "LONG",
            "value_type": "STRING",
            "partitions": 3,
            "replication_factor": 1,
            "config": {"cleanup.policy": "compact"},
            "value_schema": None,
            "key_schema": None,
        }
        created = self.event("topic", name, TopicCreated, **(declared | dict(facts or {})))
        return self.record("create_topic", f"topic/{name}", created, **more)

    def create_mirror(self, name: str, *indexes: str, **more: Any) -> int:
        created = self.event(
            "mirror", name, MirrorCreated, topic=name, replicas=1, tag=None, definition={"indexes": list(indexes)}
        )
        return self.record("create_mirror", f"mirror/{name}", created, **more)

    def alter_mirror(self, name: str, **definition: object) -> int:
        altered = self.event("mirror", name, MirrorAltered, definition=definition)
        return self.record("alter_mirror", f"mirror/{name}", altered)

    def delete_mirror(self, name: str) -> int:
        return self.record("delete_mirror", f"mirror/{name}", self.event("mirror", name, MirrorDeleted))

    def delete_topic(self, name: str, **more: Any) -> int:
        return self.record("delete_topic", f"topic/{name}", self.event("topic", name, TopicDeleted), **more)
