"""Take schemas from gateways and register them under global IDs."""

from __future__ import annotations

from commands.decisions import Consulted
from core import subjects
from core.aggregates import LogEvent
from core.avro_schema import to_avro
from core.errors import ConflictError, NotFoundError
from core.protobuf_schema import to_protobuf
from core.registered_schema import SchemaFormat
from core.sdl import parse_gateway_schema
from core.settings import Settings
from core.write_types import write_type


def subject_of(topic: str, side: str) -> str:
    """Return the subject of a topic's keys or values (Confluent's TopicNameStrategy); *side* is `key` or `value`."""
    return f"{topic}-{side}"


def write_type_of(consulted: Consulted, gateway: str, type_name: str) -> str:
    """Return the SDL of a type as *gateway* defines it now, without the fields that other topics fill.

    Raises:
        NotFoundError: There is no such gateway.
        InvalidInputError: Its schema has no such type.
    """
    stream = consulted.gateway(gateway)
    if stream.state is None:
        raise NotFoundError(f"Could not find resource {gateway}")
    return write_type(parse_gateway_schema(stream.state.sdl), type_name)


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


def register(consulted: Consulted, subject_name: str, schema_type: str, schema: str) -> tuple[int, list[LogEvent]]:
    """Return the ID of *schema* and the events that register it under a new subject.

    Raises:
        ConflictError: The subject exists already.
    """
    subject = consulted.subject(subject_name)
    if subject.state is not None:
        raise ConflictError(f'Subject "{subject_name}" already exists')
    schema_id, events = _id_of(consulted, schema_type, schema)
    registered = subject.record(subjects.SchemaRegistered, name=subject_name, version=1, schema_id=schema_id)
    return schema_id, [registered, *events]


def _id_of(consulted: Consulted, schema_type: str, schema: str) -> tuple[int, list[LogEvent]]:
    """Return the ID that the text has, or the next free one with the events that take it."""
    fingerprint = subjects.fingerprint(schema_type, schema)
    known = consulted.fingerprint(fingerprint)
    if known.state is not None:
        return known.state, []
    schema_id = _first_free_id(consulted)
    taken = consulted.schema_id(schema_id).record(
        subjects.SchemaIdTaken, schema_id=schema_id, schema_type=schema_type, schema=schema
    )
    noted = known.record(subjects.SchemaFingerprinted, fingerprint=fingerprint, schema_id=schema_id)
    return schema_id, [taken, noted]


def _first_free_id(consulted: Consulted) -> int:
    """Return the smallest ID above all taken ones; they are taken without gaps, so it is found by halving."""
    taken, free = 0, 1
    while consulted.has_schema_id(free):
        taken, free = free, 2 * free
    while free - taken > 1:
        middle = (taken + free) // 2
        if consulted.has_schema_id(middle):
            taken = middle
        else:
            free = middle
    return free
