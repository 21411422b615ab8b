"""Values as gateways take them: every field of a record under its name, and where wanted the names of types.

What is in the fields stays as the codec gives it, dates and bytes among it: whoever shows a field makes it JSON then
(`core.avro_to_json.to_json_node` does, for values of every codec), and no field that nobody asks for.

A value whose type has a name, where names are wanted, is a pair of the full name and the value. Besides the record
itself these are the branches of a union of several records, which nothing else in them tells apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from core.avro import AvroCodec
from core.protobuf import ProtobufCodec, ProtobufRecord
from core.types import Codec

ManyDecoder = Callable[[Sequence[bytes]], list[Any]]
"""Returns what a decoder does of each; where one cannot be decoded, it raises what is said of that one."""

Decoder = Callable[[bytes], Any]
"""Returns the value whose Kafka bytes it is given, and raises what `Codec.decode` does."""


def field_decoder(codec: Codec, *, names_types: bool = False) -> Decoder:
    """Return what decodes values of *codec* for whoever looks for fields in them.

    The fields of a Protobuf message have two names there, that of its text and that of its JSON.

    Args:
        codec: Of the topic.
        names_types: Whether a value whose type has a name comes as a pair of both.
    """
    match codec:
        case AvroCodec():
            return partial(codec.decode, names_types=True) if names_types else codec.decode
        case ProtobufCodec():
            return _of_protobuf(codec, names_types=names_types)
    return codec.decode


def fields_decoder(codec: Codec, *, names_types: bool = False) -> ManyDecoder:
    """Return what decodes many values as `field_decoder` does one."""
    if isinstance(codec, AvroCodec):
        return partial(codec.decode_many, names_types=names_types)
    decode = field_decoder(codec, names_types=names_types)
    return lambda raws: [decode(raw) for raw in raws]


def _of_protobuf(codec: ProtobufCodec, *, names_types: bool) -> Decoder:
    def decode(raw: bytes) -> Any:
        record: ProtobufRecord = codec.decode(raw)
        fields = record.message.under_both_names(record)
        return (record.message.full_name, fields) if names_types else fields

    return decode
