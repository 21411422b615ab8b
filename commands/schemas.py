"""Take schemas from gateways, as records are stored with them."""

from __future__ import annotations

from commands.decisions import Consulted
from core.avro_schema import to_avro
from core.errors import NotFoundError
from core.protobuf_schema import to_protobuf
from core.registered_schema import SchemaFormat
from core.settings import Settings
from core.stored_schemas import stored_schema
from core.write_types import write_type


def subject_of(topic: str, side: str) -> str:
    """Return the subject of a topic's keys or values (Confluent's TopicNameStrategy); *side* is `key` or `value`."""
    return f"{topic}-{side}"


def write_type_of(consulted: Consulted, gateway: str, type_name: str) -> str:
    """Return the SDL of a type as *gateway* defines it now, without the fields that other topics fill.

    Raises:
        NotFoundError: There is no such gateway.
        InvalidInputError: Its schema has no such type.
        StoredSchemaError: This version cannot use its schema.
    """
    stream = consulted.gateway(gateway)
    if stream.state is None:
        raise NotFoundError(f"Could not find resource {gateway}")
    return write_type(stored_schema(gateway, stream.state.sdl), type_name)


def converted(written: str, type_name: str, schema_format: SchemaFormat, settings: Settings) -> str:
    """Return the schema that records of a write type are stored with.

    Raises:
        InvalidInputError: The format has no schema for it.
        UnavailableError: The Protobuf compiler could not be run.
    """
    root = type_name[:1].upper() + type_name[1:]
    match schema_format:
        case SchemaFormat.AVRO:
            return to_avro(written, root, settings.avro_namespace, legacy=settings.legacy_schemas)
        case SchemaFormat.PROTOBUF:
            return to_protobuf(written, root, settings.protobuf_package, legacy=settings.legacy_schemas)
