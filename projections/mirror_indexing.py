"""What a fold needs to keep indexes: the fields of a topic's values, and every schema that they were written with."""

from __future__ import annotations

import time
from typing import Final

import msgspec

from core.comparable_fields import mirror_fields
from core.errors import NotFoundError, UnavailableError
from core.external_schemas import ExternalRegistry
from core.registered_schema import RegisteredSchema, SchemaLookup
from core.settings import Settings
from core.topics import Topic
from core.types import TopicType, codec_for
from projections.mirror_entries import Kept
from projections.mirror_indexes import IndexWriter
from projections.registry import RegistryView

WAIT_S: Final = 2.0
"""How long a fold waits for a schema that the registry does not know."""

QUIET_S: Final = 60.0
"""How long it does not wait again after that."""


class Values(msgspec.Struct, frozen=True):
    """What the values of a topic are."""

    type: TopicType
    schema: RegisteredSchema | None
    """The one that they are written with now."""

    @classmethod
    def of(cls, topic: Topic) -> Values:
        """Return what the values of *topic* are declared to be."""
        return cls(topic.value_type, None if topic.value_schema is None else topic.value_schema.registered())


def registry_elsewhere(settings: Settings) -> ExternalRegistry | None:
    """Return the schema registry that gives the IDs in the place of ours, where there is one."""
    if settings.schema_registry_url is None:
        return None
    return ExternalRegistry(settings.schema_registry_url, settings.data_dir / "schemas")


def find_schema(schema_id: int, registry: RegistryView, elsewhere: ExternalRegistry | None) -> RegisteredSchema:
    """Return the schema of an ID, whichever registry gave it; with one *elsewhere* this may block for seconds.

    IDs of our own registry stay known after a deployment has moved to another one.

    Raises:
        NotFoundError: The ID was never given.
        UnavailableError: The registry does not answer.
    """
    if elsewhere is None:
        return registry.schema(schema_id)
    try:
        return elsewhere.schema(schema_id)
    except NotFoundError:
        return registry.schema(schema_id)


class FoldSchemas:
    """The schemas of values for a fold, which may come upon one before the registry of its machine knows it.

    A record without a known schema would be in no index for ever. So a schema that is not there is waited for, by
    telling the fold to take the records again; but not for long, and seldom: anybody can write any number into one.
    """

    def __init__(self, find: SchemaLookup) -> None:
        self._find = find
        self._waits_until = float("-inf")

    def __call__(self, schema_id: int) -> RegisteredSchema:
        """Return the schema of an ID.

        Raises:
            UnavailableError: It may become known soon.
            NotFoundError: The ID was never given.
        """
        try:
            return self._find(schema_id)
        except NotFoundError as error:
            now = time.monotonic()
            if now > self._waits_until + QUIET_S:
                self._waits_until = now + WAIT_S
            if now < self._waits_until:
                raise UnavailableError(f"The schema {schema_id} is not known yet.") from error
            raise


def index_writer(kept: Kept, values: Values, schemas: SchemaLookup) -> IndexWriter | None:
    """Return what keeps the indexes of a mirror, `None` where it has none.

    Raises:
        InvalidInputError: The values have no such fields.
        UnavailableError: The Protobuf compiler could not be run.
    """
    definition = kept.definition
    if definition.range_field is None and not definition.indexes:
        return None
    codec = codec_for(values.type, schema=values.schema, schemas=FoldSchemas(schemas))
    return IndexWriter(definition, codec, mirror_fields(definition, values.schema), kept.write_type)
