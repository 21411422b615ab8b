"""The topic registry as other programs read it: a compacted topic with a record for each topic that is declared.

The key is the topic's name, the value an Avro record behind Confluent's frame, both as bakdata/quick writes them. The
topic itself is in no list: it is known without being declared, since whoever reads it needs its types first.
"""

from __future__ import annotations

from typing import Any, Final

from core.avro import AvroCodec
from core.errors import NotFoundError
from core.registered_schema import RegisteredSchema, SchemaFormat
from core.topic_type import TopicType
from core.topics import Topic, TopicSchema, WriteType

SCHEMA_ID: Final = 0
"""ID of the values' schema in our own schema registry. It gives IDs from 1 on, so this one can be known everywhere
without a command that registers it."""

SCHEMA_TEXT: Final = (
    '{"type":"record","name":"AvroTopicData","namespace":"com.bakdata.quick.common.api.model","fields":['
    '{"name":"name","type":"string"},'
    '{"name":"writeType","type":{"type":"enum","name":"AvroWriteType","symbols":["MUTABLE","IMMUTABLE"]}},'
    '{"name":"keyType","type":{"type":"enum","name":"AvroQuickTopicType",'
    '"symbols":["STRING","LONG","INTEGER","DOUBLE","SCHEMA"]}},'
    '{"name":"valueType","type":"AvroQuickTopicType"},'
    '{"name":"schema","type":["null","string"],"default":null}]}'
)

SCHEMA: Final = RegisteredSchema(schema_id=SCHEMA_ID, schema_type=SchemaFormat.AVRO, schema=SCHEMA_TEXT)

_SDL: Final = """type AvroTopicData {
  name: String!
  writeType: String!
  keyType: String!
  valueType: String!
  schema: String
}
"""


def subject_of(topic: str) -> str:
    """Return the subject of the values' schema in a schema registry elsewhere."""
    return f"{topic}-value"


def registry_topic(name: str, *, replication_factor: int) -> Topic:
    """Return the topic with this name as if it were declared. One partition keeps all changes in their order."""
    return Topic(
        name=name,
        write_type=WriteType.MUTABLE,
        key_type=TopicType.STRING,
        value_type=TopicType.SCHEMA,
        partitions=1,
        replication_factor=replication_factor,
        config={"cleanup.policy": "compact"},
        value_schema=TopicSchema(
            gateway="",
            type="AvroTopicData",
            sdl=_SDL,
            schema_id=SCHEMA_ID,
            schema_type=SchemaFormat.AVRO,
            schema=SCHEMA_TEXT,
        ),
    )


class RegistryRecords:
    """Makes the records.

    Args:
        schema_id: ID of the values' schema in the schema registry that readers ask.
    """

    def __init__(self, schema_id: int = SCHEMA_ID) -> None:
        schema = RegisteredSchema(schema_id=schema_id, schema_type=SchemaFormat.AVRO, schema=SCHEMA_TEXT)
        self._codec = AvroCodec(schema, _no_other)

    def record(self, topic: Topic) -> tuple[bytes, bytes]:
        """Return key and value of the record for *topic*; the same ones for the same topic."""
        facts: dict[str, Any] = {
            "name": topic.name,
            "writeType": topic.write_type.value,
            "keyType": topic.key_type.value,
            "valueType": topic.value_type.value,
            "schema": None if topic.value_schema is None else topic.value_schema.sdl,
        }
        return topic.name.encode(), self._codec.encode(facts)


def _no_other(schema_id: int) -> RegisteredSchema:
    raise NotFoundError(f"Records of the topic registry are only written here, never read: {schema_id}")
