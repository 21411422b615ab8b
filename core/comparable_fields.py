"""Fields of records by which a mirror orders and finds: their kinds, and their values and bounds as ordered bytes.

The kind is that of the schema that an index is built for. Records of other versions are converted, as Avro promotes an
int to a double; one whose field does not fit has no place in an index.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, NoReturn

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from core.avro_logical import PREFIX
from core.avro_text import whole_avro
from core.avro_types import AvroNode, AvroSchema, parse_avro
from core.comparable_kinds import (
    BOOLEANS,
    DECIMALS,
    FLOATS,
    INSTANTS,
    INTEGERS,
    MISFITS,
    TEXTS,
    FieldKind,
    Form,
    enum_form,
    logical_form,
)
from core.errors import InvalidInputError, InvalidValueError
from core.json_values import shown
from core.mirrors import MirrorDefinition
from core.protobuf import written_message
from core.protobuf_enums import shared_prefix
from core.protobuf_records import WRAPPERS
from core.registered_schema import RegisteredSchema, SchemaFormat

RANGE_FIELD, RANGE_KEY, INDEX_FIELD = "range field", "range key", "index field"
"""What a mirror has comparable fields for, as messages say it."""

_SHOWN_CHARACTERS: Final = 100
_SHOWN_FIELDS: Final = 20

_AVRO_FORMS: Final = {
    "int": INTEGERS,
    "long": INTEGERS,
    "float": FLOATS,
    "double": FLOATS,
    "string": TEXTS,
    "boolean": BOOLEANS,
}
_PROTOBUF_FORMS: Final = {
    "int32": INTEGERS,
    "sint32": INTEGERS,
    "sfixed32": INTEGERS,
    "uint32": INTEGERS,
    "fixed32": INTEGERS,
    "int64": INTEGERS,
    "sint64": INTEGERS,
    "sfixed64": INTEGERS,
    "uint64": DECIMALS,
    "fixed64": DECIMALS,
    "float": FLOATS,
    "double": FLOATS,
    "string": TEXTS,
    "bool": BOOLEANS,
}


@dataclass(frozen=True, slots=True)
class ComparableField:
    """One field of a topic's values, whose values have an order. Safe to use from several threads."""

    name: str
    form: Form

    @property
    def kind(self) -> FieldKind:
        """What its values are compared as."""
        return self.form.kind

    def of_value(self, value: object) -> bytes | None:
        """Return the ordered bytes of the field in a decoded record, `None` for null or absent.

        Raises:
            InvalidValueError: The value does not fit the kind.
        """
        if value is None:
            return None
        try:
            return self.form.ordered(value)
        except MISFITS as error:
            raise InvalidValueError(
                f"Field {self.name} holds {repr(value)[:_SHOWN_CHARACTERS]}, which cannot be compared as {self.kind}. "
                "Write the record again with a value of the topic's schema."
            ) from error

    def from_text(self, text: str) -> bytes:
        """Return the ordered bytes of a bound in a query string or on the command line.

        Raises:
            InvalidInputError: The text stands for no value of the kind.
        """
        try:
            return self.form.ordered(self.form.read_text(text))
        except MISFITS as error:
            raise self._no_bound(text) from error

    def from_json(self, node: object) -> bytes:
        """Return the ordered bytes of a bound that is a JSON node, or an argument of GraphQL.

        Raises:
            InvalidInputError: The node stands for no value of the kind; null is none.
        """
        try:
            return self.form.ordered(self.form.read_json(node))
        except MISFITS as error:
            raise self._no_bound(node) from error

    def _no_bound(self, node: object) -> InvalidInputError:
        return InvalidInputError(
            f"{shown(node)} cannot be compared with the field {self.name}: expected {self.form.expected}."
        )


class MirrorFields(NamedTuple):
    """The comparable fields that a mirror's definition names."""

    range_field: ComparableField | None = None
    range_key: ComparableField | None = None
    indexes: tuple[ComparableField, ...] = ()


def comparable_field(schema: RegisteredSchema | None, name: str, *, purpose: str) -> ComparableField:
    """Return the field *name* of a topic's values.

    Args:
        schema: The schema of the values, `None` where they have none.
        name: The field as the schema writes it; one inside of another record cannot be named.
        purpose: What it is for, in words for messages: `RANGE_FIELD`, `RANGE_KEY`, `INDEX_FIELD`.

    Raises:
        InvalidInputError: There is no such field, or its values have no order; says which have.
        UnavailableError: The Protobuf compiler could not be run.
    """
    if schema is None:
        raise InvalidInputError(
            f"The {purpose} {name} cannot be used: the values of the topic are not of type schema, so they have no "
            "fields. Leave it out, or choose a topic whose values have a schema."
        )
    match schema.schema_type:
        case SchemaFormat.AVRO:
            return ComparableField(name, _avro_form(schema, name, purpose))
        case SchemaFormat.PROTOBUF:
            return ComparableField(name, _protobuf_form(schema, name, purpose))
    raise InvalidInputError(
        f"The {purpose} {name} cannot be used: the topic's values are {schema.schema_type}. Use Avro or Protobuf."
    )


def mirror_fields(definition: MirrorDefinition, schema: RegisteredSchema | None) -> MirrorFields:
    """Return the fields that *definition* names, as they are in the *schema* of the topic's values.

    Raises:
        InvalidInputError: One of them does not exist, or its values have no order.
        UnavailableError: The Protobuf compiler could not be run.
    """

    def field(name: str | None, purpose: str) -> ComparableField | None:
        return None if name is None else comparable_field(schema, name, purpose=purpose)

    return MirrorFields(
        field(definition.range_field, RANGE_FIELD),
        field(definition.range_key, RANGE_KEY),
        tuple(comparable_field(schema, name, purpose=INDEX_FIELD) for name in definition.indexes),
    )


def lost_fields(definition: MirrorDefinition, before: RegisteredSchema, after: RegisteredSchema) -> list[str]:
    """Return why a mirror of *definition* cannot go on with *after* where it was built for *before*; nothing if it can.

    It can when each field that it compares is still there, and of the same kind.

    Raises:
        UnavailableError: The Protobuf compiler could not be run.
    """
    return [
        reason for name, purpose in _named(definition) if (reason := _loss(name, purpose, before, after)) is not None
    ]


def _named(definition: MirrorDefinition) -> Iterator[tuple[str, str]]:
    if definition.range_field is not None:
        yield definition.range_field, RANGE_FIELD
    if definition.range_key is not None:
        yield definition.range_key, RANGE_KEY
    yield from ((name, INDEX_FIELD) for name in definition.indexes)


def _loss(name: str, purpose: str, before: RegisteredSchema, after: RegisteredSchema) -> str | None:
    was = comparable_field(before, name, purpose=purpose)
    try:
        field = comparable_field(after, name, purpose=purpose)
    except InvalidInputError as error:
        return f"{purpose} {name}: {error}"
    if field.kind is was.kind:
        return None
    return f"{purpose} {name}: its values were compared as {was.kind}, and would be as {field.kind}"


def _refuse_absent(name: str, purpose: str, schema: str, known: Sequence[str]) -> NoReturn:
    fields = ", ".join(known[:_SHOWN_FIELDS]) + (", …" if len(known) > _SHOWN_FIELDS else "")
    choice = f"Choose one of its fields: {fields}." if known else "It has no fields."
    raise InvalidInputError(f"The defined {purpose} {name} does not exist in your {schema} schema. {choice}")


def _unsupported(name: str, purpose: str, words: str) -> InvalidInputError:
    return InvalidInputError(
        f"Unsupported field type {words}. The {purpose} {name} must be a number, a string, a boolean, a date, a time, "
        "a timestamp or an enum, which may be null. Choose another field."
    )


def _avro_form(registered: RegisteredSchema, name: str, purpose: str) -> Form:
    schema = parse_avro(whole_avro(registered), f"Schema {registered.schema_id}")
    root = schema.resolve(schema.root)
    types = {field["name"]: field["type"] for field in root.get("fields", ())} if isinstance(root, dict) else {}
    if name not in types:
        _refuse_absent(name, purpose, "Avro", list(types))
    node = types[name]
    kinds = [part for part in _branches(schema, node) if schema.kind(part) != "null"]
    form = _avro_forms(schema, kinds[0]) if len(kinds) == 1 else None
    if form is None:
        raise _unsupported(name, purpose, schema.words(node))
    return form


def _branches(schema: AvroSchema, node: AvroNode) -> list[AvroNode]:
    return schema.parts(node) if schema.kind(node) == "union" else [node]


def _avro_forms(schema: AvroSchema, node: AvroNode) -> Form | None:
    resolved = schema.resolve(node)
    logical = schema.logical(node)
    if logical is not None and isinstance(resolved, dict):
        return logical_form(str(resolved["logicalType"]).removeprefix(PREFIX), schema.kind(node), logical)
    if isinstance(resolved, dict) and resolved["type"] == "enum":
        return enum_form(resolved["symbols"])
    return _AVRO_FORMS.get(schema.kind(node))


def _protobuf_form(registered: RegisteredSchema, name: str, purpose: str) -> Form:
    message = written_message(registered)
    fields = {} if message is None else {field.name: field for field in message.fields}
    if name not in fields:
        _refuse_absent(name, purpose, "Proto", list(fields))
    field = fields[name]
    form = None if field.is_repeated else _protobuf_forms(field)
    if form is None:
        words = field.message_type.full_name if field.message_type is not None else _scalar_words(field)
        raise _unsupported(name, purpose, f"repeated {words}" if field.is_repeated else words)
    return form


def _protobuf_forms(field: FieldDescriptor) -> Form | None:
    if field.enum_type is not None:
        names = [value.name for value in field.enum_type.values]
        prefix = shared_prefix(field.enum_type.name, names)
        return enum_form([name.removeprefix(prefix) for name in names])
    if field.message_type is None:
        return _PROTOBUF_FORMS.get(_scalar_words(field))
    if field.message_type.full_name in WRAPPERS:
        return _PROTOBUF_FORMS.get(_scalar_words(field.message_type.fields_by_name["value"]))
    return INSTANTS if field.message_type.full_name == "google.protobuf.Timestamp" else None


def _scalar_words(field: FieldDescriptor) -> str:
    """Return the type of a field in Protobuf's word, such as `int32`."""
    return FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()  # type: ignore[arg-type]
