"""Records of Protobuf messages: a message type compiled once into functions that check, shape, pack and unpack.

A record is a dict with *every* field of its message under the name that the .proto text gives it, in the order of
the text, so that the gateway finds a GraphQL field by its own name. Lists and maps are there even when empty: no byte
of Protobuf tells an empty list from none. `None` stands for an unset message, `optional` field or member of a oneof.
The JSON of a record has lowerCamelCase names instead, and leaves out what is unset.

Google's well-known types are in the record what they are in JSON: a Timestamp is its ISO 8601 text, a Struct an
object, a wrapper its value or null. That part is google.protobuf's own parser and printer. The rest is not, because
that walks each message by reflection in Python, at less than half the speed, and knows the place of a mistake only in
part of its messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final, NamedTuple

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message

from core.protobuf_values import SCALARS, Kind, MisfitError, Step, enum_kind, same

DEEPEST_MESSAGE: Final = 100
"""Levels of messages in messages that Protobuf's reader takes; every other language has the same bound."""

WRAPPERS: Final = frozenset(
    f"google.protobuf.{name}Value"
    for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)
"""Messages around one value, which is theirs in a record; unset they are null."""

_WITH_OWN_JSON: Final = frozenset(
    f"google.protobuf.{name}" for name in ("Struct", "Value", "ListValue", "Any", "Timestamp", "Duration", "FieldMask")
)
_SHOWN_FIELDS: Final = 20

_JSON_FORMAT_REFUSALS: Final = (
    json_format.Error,
    DecodeError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
)


class Field(NamedTuple):
    """One field of a message type."""

    name: str
    json_name: str
    kind: Kind
    has_presence: bool
    rivals: tuple[str, ...]
    """The other members of its oneof."""


class MessageType:
    """One message type of a schema. `Compiler` makes it; several threads may use it."""

    def __init__(self, descriptor: Descriptor) -> None:
        self.full_name: str = descriptor.full_name
        self.make: Callable[..., Message] = message_factory.GetMessageClass(descriptor)
        self.is_plain = True
        """Whether its records are what its constructor takes."""
        self.can_nest_too_deep = False
        """Whether its records can have more levels than Protobuf's reader takes."""
        self._absent: dict[str, Any] = {}
        self._containers: list[tuple[str, type]] = []
        self._fields: dict[str, Field] = {}
        self._by_key: dict[str, tuple[Field, str | None]] = {}

    def complete(self, fields: Iterable[Field]) -> None:
        """Give the type its fields, which may be of the type itself."""
        for field in fields:
            self._fields[field.name] = field
            self._absent[field.name] = None if field.has_presence else field.kind.default
            if isinstance(field.kind.default, type):
                self._containers.append((field.name, field.kind.default))
            for key, twin in ((field.json_name, field.name), (field.name, field.json_name)):
                self._by_key[key] = (field, None if twin == key else twin)

    def record(self, node: Any) -> dict[str, Any]:
        """Return the record that the JSON *node* stands for; null and absent are the same.

        Raises:
            MisfitError: It does not fit, or has a field that the message has not.
        """
        if not isinstance(node, dict):
            raise MisfitError(f"message {self.full_name}", node)
        record = self._absent.copy()
        for name, container in self._containers:
            record[name] = container()
        for key, member in node.items():
            field, twin = self._by_key.get(key) or self._unknown(key, member)
            if twin in node:
                raise MisfitError(f"{key} or {twin}", node, f"has {key} and {twin}, which are one field")
            if member is None and not field.kind.takes_null:
                continue
            for rival in field.rivals:
                if record[rival] is not None:
                    expected = f"{key} or {rival}"
                    raise MisfitError(expected, node, f"has {key} and {rival}, of which one at most may be set")
            try:
                record[field.name] = field.kind.take(member)
            except MisfitError as misfit:
                misfit.inside(key)
                raise
        return record

    def json(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return the JSON of *record*: lowerCamelCase names, everything but what is unset."""
        node = {}
        for name, value in record.items():
            field = self._fields[name]
            if value is not None:
                give = field.kind.give
                node[field.json_name] = value if give is same else give(value)
        return node

    def packed(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return *record* as the constructor of the message takes it."""
        if self.is_plain:
            return record
        return {name: self._fields[name].kind.pack(value) for name, value in record.items() if value is not None}

    def unpacked(self, message: Message) -> dict[str, Any]:
        """Return the record of *message*."""
        record: dict[str, Any] = {}
        for name, _, kind, has_presence, _ in self._fields.values():
            if has_presence and not message.HasField(name):
                record[name] = None
                continue
            value = getattr(message, name)
            record[name] = value if kind.unpack is same else kind.unpack(value)
        return record

    def under_both_names(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return *record* with every field also under its name in JSON, in the records inside of it too."""
        if not self._has_two_names:
            return record
        both: dict[str, Any] = {}
        for name, value in record.items():
            field = self._fields[name]
            both[name] = both[field.json_name] = _under_both_names(field.kind, value)
        return both

    @cached_property
    def _has_two_names(self) -> bool:
        """Whether a field of it or of a message in it has another name in JSON."""
        known: list[MessageType] = [self]
        for type_ in known:  # grows
            if any(field.name != field.json_name for field in type_._fields.values()):
                return True
            known += [part for part in type_.parts if part not in known]
        return False

    @property
    def needs_packing(self) -> bool:
        """Whether a field needs packing for another reason than the records in it."""
        return any(
            field.kind.always_packs if isinstance(field.kind, _MessageKind) else field.kind.pack is not same
            for field in self._fields.values()
        )

    @property
    def parts(self) -> set[MessageType]:
        """The message types that its fields have."""
        return {field.kind.message for field in self._fields.values() if isinstance(field.kind, _MessageKind)}

    def _unknown(self, key: str, member: Any) -> tuple[Field, str | None]:
        names = [field.json_name for field in self._fields.values()]
        known = ", ".join(names[:_SHOWN_FIELDS]) + (", …" if len(names) > _SHOWN_FIELDS else "")
        expected = f"one of the fields {known}" if names else "no field"
        misfit = MisfitError(expected, member, f"is unknown to message {self.full_name}, which has {expected}")
        misfit.inside(key)
        raise misfit


@dataclass(frozen=True, slots=True, kw_only=True)
class _MessageKind(Kind):
    """A kind whose values, or their parts, are records of *message*."""

    message: MessageType
    always_packs: bool = False
    """Whether values need packing even where the records in them do not."""


def _under_both_names(kind: Kind, value: Any) -> Any:
    if not isinstance(kind, _MessageKind) or kind.always_packs or value is None:
        return value
    if isinstance(value, list):
        return [kind.message.under_both_names(item) for item in value]
    if kind.default is dict:
        return {key: kind.message.under_both_names(member) for key, member in value.items()}
    return kind.message.under_both_names(value)


def compile_message(root: Descriptor, pool: DescriptorPool) -> MessageType:
    """Return the type of the message *root*, with those of all that it holds; *pool* has the types of each `Any`."""
    return _Compilation(pool).message_type(root)


class _Compilation:
    """One walk over the messages that a root holds, level by level: they may hold themselves."""

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool = pool
        self._types: dict[str, MessageType] = {}
        self._begun: list[Descriptor] = []

    def message_type(self, root: Descriptor) -> MessageType:
        wanted = self._begin(root)
        for descriptor in self._begun:  # grows as new messages are met
            self._types[descriptor.full_name].complete(self._field(field) for field in descriptor.fields)
        _mark_packing(self._types.values())
        _mark_depth(self._types.values())
        return wanted

    def _begin(self, descriptor: Descriptor) -> MessageType:
        if descriptor.full_name not in self._types:
            self._types[descriptor.full_name] = MessageType(descriptor)
            self._begun.append(descriptor)
        return self._types[descriptor.full_name]

    def _field(self, field: FieldDescriptor) -> Field:
        oneof = field.containing_oneof
        return Field(
            name=field.name,
            json_name=field.json_name,
            kind=self._kind(field),
            has_presence=field.has_presence,
            rivals=() if oneof is None else tuple(other.name for other in oneof.fields if other.name != field.name),
        )

    def _kind(self, field: FieldDescriptor) -> Kind:
        if not field.is_repeated:
            return self._single(field)
        if field.message_type is None or not field.message_type.GetOptions().map_entry:
            return _list_of(self._single(field))
        key, value = field.message_type.fields
        return _map_of(_key_kind(key), self._single(value))

    def _single(self, field: FieldDescriptor) -> Kind:
        if field.enum_type is not None:
            return enum_kind(field.enum_type, can_be_unset=field.has_presence)
        if field.message_type is None:
            return SCALARS[field.type]
        name = field.message_type.full_name
        if name in WRAPPERS:
            return _wrapper(field.message_type)
        message = self._begin(field.message_type)
        if name in _WITH_OWN_JSON:
            return _with_own_json(message, self._pool)
        return _MessageKind(
            f"message {name}", message.record, message.json, message.packed, message.unpacked, message=message
        )


def _list_of(item: Kind) -> Kind:
    expected = f"list of {item.expected}"

    def take(node: Any) -> list[Any]:
        if not isinstance(node, list):
            raise MisfitError(expected, node)
        taken: list[Any] = []
        try:
            taken.extend(map(item.take, node))
        except MisfitError as misfit:
            misfit.inside(len(taken))  # extend keeps what came before the one that failed
            raise
        return taken

    def each(step: Step) -> Step:
        return lambda values: [step(value) for value in values]

    give = same if item.give is same else each(item.give)
    unpack: Step = list if item.unpack is same else each(item.unpack)
    if not isinstance(item, _MessageKind):
        return Kind(expected, take, give, same if item.pack is same else each(item.pack), unpack, default=list)
    return _MessageKind(
        expected,
        take,
        give,
        each(item.pack),
        unpack,
        default=list,
        message=item.message,
        always_packs=item.always_packs,
    )


def _map_of(key: Kind, value: Kind) -> Kind:
    expected = f"map from {key.expected} to {value.expected}"

    def take(node: Any) -> dict[str, Any]:
        if not isinstance(node, dict):
            raise MisfitError(expected, node)
        taken = {}
        for name, member in node.items():
            try:
                taken[key.take(name)] = value.take(member)
            except MisfitError as misfit:
                misfit.inside(name)
                raise
        return taken

    def give(record: dict[str, Any]) -> dict[str, Any]:
        return {name: value.give(member) for name, member in record.items()}

    def pack(record: dict[str, Any]) -> dict[Any, Any]:
        return {key.pack(name): value.pack(member) for name, member in record.items()}

    def unpack(held: Any) -> dict[str, Any]:
        # Sorted, because a map has no order and equal records should look equal.
        return {key.unpack(name): value.unpack(held[name]) for name in sorted(held)}

    if not isinstance(value, _MessageKind):
        return Kind(expected, take, give, pack, unpack, default=dict)
    packs = value.always_packs or key.pack is not same
    return _MessageKind(expected, take, give, pack, unpack, default=dict, message=value.message, always_packs=packs)


def _key_kind(field: FieldDescriptor) -> Kind:
    """Return the kind of a map's keys, which are text in JSON and in a record."""
    if field.type == FieldDescriptor.TYPE_STRING:
        return SCALARS[field.type]
    if field.type == FieldDescriptor.TYPE_BOOL:
        return Kind("bool", _take_bool_key, pack=lambda text: text == "true", unpack=lambda key: str(key).lower())
    number = SCALARS[field.type]
    return Kind(number.expected, lambda text: str(number.take(text)), pack=int, unpack=str)


def _take_bool_key(text: str) -> str:
    if text not in {"true", "false"}:
        raise MisfitError("bool", text)
    return text


def _wrapper(descriptor: Descriptor) -> Kind:
    inner = SCALARS[descriptor.fields_by_name["value"].type]
    return Kind(
        inner.expected,
        inner.take,
        inner.give,
        pack=lambda value: {"value": inner.pack(value)},
        unpack=lambda wrapper: inner.unpack(wrapper.value),
    )


def _with_own_json(message: MessageType, pool: DescriptorPool) -> Kind:
    is_any = message.full_name == "google.protobuf.Any"
    printed = partial(json_format.MessageToDict, descriptor_pool=pool)

    def parsed(node: Any) -> Message:
        if is_any:
            node = deepcopy(node)  # the parser takes `@type` out for a moment, and other threads may read the record
        return json_format.ParseDict(node, message.make(), descriptor_pool=pool)

    def take(node: Any) -> Any:
        try:
            return printed(parsed(node))
        except _JSON_FORMAT_REFUSALS as error:
            raise MisfitError(message.full_name, node, f"is no {message.full_name}: {error}") from error

    return _MessageKind(
        message.full_name,
        take,
        pack=parsed,
        unpack=printed,
        takes_null=message.full_name == "google.protobuf.Value",
        message=message,
        always_packs=True,
    )


def _mark_packing(types: Iterable[MessageType]) -> None:
    """Tell each type whether it or any type in it needs packing."""
    holders: dict[MessageType, list[MessageType]] = {}
    for type_ in types:
        for part in type_.parts:
            holders.setdefault(part, []).append(type_)
    waiting = [type_ for type_ in types if type_.needs_packing]
    for type_ in waiting:
        type_.is_plain = False
    for type_ in waiting:  # grows
        for holder in holders.get(type_, ()):
            if holder.is_plain:
                holder.is_plain = False
                waiting.append(holder)


def _mark_depth(types: Iterable[MessageType]) -> None:
    """Tell each type whether its records may nest too deep: it is in or above a circle, or there are many types."""
    left = {type_: set(type_.parts) for type_ in types}
    if len(left) < DEEPEST_MESSAGE:
        while ended := [type_ for type_, parts in left.items() if not parts]:
            for type_ in ended:
                del left[type_]
            for parts in left.values():
                parts.difference_update(ended)
    for type_ in left:
        type_.can_nest_too_deep = True
