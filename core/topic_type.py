"""The logical types that a topic's keys and values can have."""

from __future__ import annotations

from enum import StrEnum

from core.errors import InvalidInputError


class TopicType(StrEnum):
    """What keys or values are: a primitive in Kafka's format, or `SCHEMA`, records with a schema."""

    STRING = "STRING"
    INTEGER = "INTEGER"
    LONG = "LONG"
    DOUBLE = "DOUBLE"
    SCHEMA = "SCHEMA"

    @classmethod
    def parse(cls, text: str) -> TopicType:
        """Return the type that *text* names in any letter case; `int` is `INTEGER`.

        Raises:
            InvalidInputError: No type has that name; `avro` and `protobuf` are formats of `SCHEMA`.
        """
        wanted = text.upper()
        try:
            return cls.INTEGER if wanted == "INT" else cls(wanted)
        except ValueError as error:
            choices = ", ".join(str(choice).lower() for choice in cls)
            raise InvalidInputError(f"{text!r} is not a type of keys or values. Choose one of: {choices}.") from error
