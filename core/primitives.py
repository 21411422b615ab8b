"""Codecs of the primitive types: the bytes are those of Kafka's Java serializers."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec

from core.errors import InvalidValueError
from core.json_values import compact, json_number, shown, type_mismatch
from core.topic_type import TopicType

# What java.lang.Double.valueOf reads. Python's float() also takes underscores and digits of every script, and
# knows neither a type suffix nor hexadecimal.
_WORD: Final = r"NaN|Infinity"
_DECIMAL: Final = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_HEXADECIMAL: Final = r"0[xX](?:[0-9a-fA-F]+\.?|[0-9a-fA-F]*\.[0-9a-fA-F]+)[pP][+-]?[0-9]+"
_JAVA_DOUBLE: Final = re.compile(
    rf"(?P<sign>[+-]?)(?:(?P<word>{_WORD})|(?:(?P<decimal>{_DECIMAL})|(?P<hexadecimal>{_HEXADECIMAL}))[fFdD]?)"
)
_JAVA_BLANKS: Final = "".join(map(chr, range(0x21)))

_WHOLE_NUMBER: Final = re.compile(r"[+-]?[0-9]+")


class StringCodec:
    """Text as UTF-8. Objects, arrays and booleans are stored as their JSON text; numbers are refused."""

    type = TopicType.STRING
    json_type = str

    def from_text(self, text: str) -> str:
        """Return *text* as it is.

        Raises:
            InvalidValueError: It holds half of a surrogate pair, which UTF-8 cannot carry.
        """
        if not text.isascii():
            self.encode(text)
        return text

    def from_json(self, node: Any, *, strict: bool = False) -> str:  # noqa: ARG002  only records have keys
        """Return the text of a JSON string, or the JSON text of a boolean, an object or an array.

        Raises:
            InvalidValueError: The node is a number or null, or holds half of a surrogate pair.
        """
        if type(node) is str:
            return self.from_text(node)
        if isinstance(node, bool | dict | list):
            return self.from_text(compact(node))
        raise type_mismatch(self.type, node)

    def to_json(self, value: str) -> str:
        """Return *value*."""
        return value

    def encode(self, value: str) -> bytes:
        """Return *value* in UTF-8.

        Raises:
            InvalidValueError: It holds half of a surrogate pair.
        """
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise InvalidValueError(
                f"{shown(value)} cannot be stored as text: it must be valid Unicode, and character "
                f"{error.start + 1} is half of a surrogate pair. Send both halves or neither."
            ) from error

    def decode(self, raw: bytes) -> str:
        """Return the text that *raw* is in UTF-8.

        Raises:
            InvalidValueError: The bytes are not UTF-8.
        """
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise InvalidValueError(
                f"These {len(raw)} bytes are not of type string: expected UTF-8, found the byte "
                f"0x{raw[error.start]:02x} at index {error.start}. {_WRITTEN_AS_ANOTHER_TYPE}"
            ) from error


class WholeNumberCodec:
    """Whole numbers of 32 or 64 bits, signed and big-endian."""

    def __init__(self, type: TopicType, layout: struct.Struct) -> None:  # noqa: A002  the word of the domain
        self.type = type
        self._layout = layout
        self.high = (1 << (8 * layout.size - 1)) - 1
        self.low = -self.high - 1
        self.json_type: Any | None = Annotated[int, msgspec.Meta(ge=self.low, le=self.high)]

    def from_text(self, text: str) -> int:
        """Return the number that *text* is in decimal digits, with an optional sign and nothing else.

        Raises:
            InvalidValueError: The text is anything else, or the number needs more bits.
        """
        number = self._parsed(text)
        if number is None:
            raise InvalidValueError(
                f"{shown(text)} cannot be read as {self.type.lower()}: "
                f"expected a whole number from {self.low} to {self.high} in decimal digits."
            )
        return number

    def from_json(self, node: Any, *, strict: bool = False) -> int:  # noqa: ARG002  only records have keys
        """Return a JSON number without fraction, or the number in a JSON string.

        Raises:
            InvalidValueError: The node is anything else, or the number needs more bits.
        """
        number = node if type(node) is int else self._parsed(node) if type(node) is str else None
        if number is None or not self.low <= number <= self.high:
            raise type_mismatch(self.type, node)
        return number

    def to_json(self, value: int) -> int:
        """Return *value*."""
        return value

    def encode(self, value: int) -> bytes:
        """Return *value* as signed big-endian bytes.

        Raises:
            InvalidValueError: The number needs more bits.
        """
        try:
            return self._layout.pack(value)
        except struct.error as error:
            raise InvalidValueError(
                f"{value!r} cannot be stored as {self.type.lower()}: "
                f"expected a whole number from {self.low} to {self.high}."
            ) from error

    def encode_all(self, values: Sequence[int]) -> list[bytes]:
        """Return what `encode` does of each of *values*, in a third of the time."""
        try:
            return list(map(self._layout.pack, values))
        except struct.error:
            return [self.encode(value) for value in values]  # It tells which one.

    def decode(self, raw: bytes) -> int:
        """Return the number that *raw* is.

        Raises:
            InvalidValueError: There are more or fewer bytes than the type has.
        """
        return int(_unpacked(self.type, self._layout, raw))

    def _parsed(self, text: str) -> int | None:
        if not _WHOLE_NUMBER.fullmatch(text):
            return None
        try:
            number = int(text)
        except ValueError:  # Python reads at most some thousands of digits
            return None
        return number if self.low <= number <= self.high else None


class DoubleCodec:
    """IEEE-754 numbers of 64 bits, big-endian. Every NaN is written with the same bytes, as Java does."""

    type = TopicType.DOUBLE
    json_type = float

    _layout = struct.Struct(">d")

    def from_text(self, text: str) -> float:
        """Return the number that *text* is in Java's syntax: also with blanks around it, hexadecimal, `1.5f`.

        Raises:
            InvalidValueError: The text is anything else.
        """
        number = _java_double(text)
        if number is None:
            raise InvalidValueError(
                f"{shown(text)} cannot be read as double: expected a number such as 1.5, -2e10, NaN or Infinity."
            )
        return number

    def from_json(self, node: Any, *, strict: bool = False) -> float:  # noqa: ARG002  only records have keys
        """Return a JSON number, or the number in a JSON string.

        Raises:
            InvalidValueError: The node is anything else, or a number larger than a double can be.
        """
        number = _java_double(node) if type(node) is str else _nearest_double(node)
        if number is None:
            raise type_mismatch(self.type, node)
        return number

    def to_json(self, value: float) -> float | str:
        """Return *value*, or the word for it where JSON has no number."""
        return json_number(value)

    def encode(self, value: float) -> bytes:
        """Return *value* as eight big-endian bytes.

        Raises:
            InvalidValueError: The value is no number, or a whole number larger than a double can be.
        """
        try:
            return self._layout.pack(math.nan if math.isnan(value) else value)
        except (struct.error, OverflowError, TypeError) as error:
            raise InvalidValueError(
                f"{value!r} cannot be stored as double: expected a number of at most about 1.8e308."
            ) from error

    def decode(self, raw: bytes) -> float:
        """Return the number that *raw* is.

        Raises:
            InvalidValueError: There are more or fewer than eight bytes.
        """
        return float(_unpacked(self.type, self._layout, raw))


_WRITTEN_AS_ANOTHER_TYPE: Final = (
    "Something wrote to the topic with another serializer: compare it with the topic's declared types."
)


def _unpacked(topic_type: TopicType, layout: struct.Struct, raw: bytes) -> Any:
    try:
        return layout.unpack(raw)[0]
    except struct.error as error:
        raise InvalidValueError(
            f"These bytes are not of type {topic_type.lower()}: expected {layout.size} bytes, "
            f"found {len(raw)} ({raw[:16].hex()}). {_WRITTEN_AS_ANOTHER_TYPE}"
        ) from error


def _java_double(text: str) -> float | None:
    match = _JAVA_DOUBLE.fullmatch(text.strip(_JAVA_BLANKS))
    if match is None:
        return None
    sign = -1.0 if match["sign"] == "-" else 1.0
    if match["hexadecimal"] is None:
        return sign * float(match["word"] or match["decimal"])
    try:
        return sign * float.fromhex(match["hexadecimal"])
    except OverflowError:  # where Java reads Infinity, as both languages do for decimals
        return sign * math.inf


def _nearest_double(node: Any) -> float | None:
    if type(node) not in (int, float):  # a Boolean is an int to isinstance
        return None
    try:
        return float(node)
    except OverflowError:
        return None
