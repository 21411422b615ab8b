"""From JSON to records: one pair, a list of them, or a pair a line, as a topic's types want them.

A pair is `{"key", "value"}`, with `headers` and `timestamp` where they are wanted; the value null is a tombstone. What
is well-formed is read, checked and shaped in one pass by a decoder that is made once for each declaration of a topic.
What that refuses is looked at again, slowly, to find what is taken all the same and to say what is wrong and where.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from core.errors import InvalidInputError, InvalidValueError, TooDeepError
from core.json_values import node_type, shown
from core.kafka_writer import OutRecord
from core.types import Codec
from services.ingest.verdicts import RefusedRecordsError, RefusedVerdict, refused

logger = logging.getLogger(__name__)

MAX_LEVELS: Final = 100
"""Deepest nesting of JSON that is read."""

MAX_RECORDS: Final = 100_000
"""Most records of a body that is read as a whole."""

_NOT_DELETED: Final = (
    "The value is null, which deletes the key, and nothing of an immutable topic is deleted. Send a value."
)

_KNOWN_NAMES: Final = frozenset({"key", "value", "headers", "timestamp"})


class PairReader:
    """Reads what is sent to one topic. Safe to use from several threads."""

    def __init__(self, keys: Codec, values: Codec, *, is_immutable: bool) -> None:
        self._keys = keys
        self._values = values
        self._is_immutable = is_immutable
        self._list, self._one = _decoders(keys, values)

    def read(self, body: bytes, *, strict: bool = False) -> list[OutRecord]:
        """Return the records that a JSON body stands for, one or a list.

        Args:
            body: The whole body.
            strict: Whether names that mean nothing here are refused, which are ignored otherwise.

        Raises:
            InvalidInputError: The body is no JSON, or neither a pair nor a list.
            RefusedRecordsError: Some of its pairs cannot be used; says which and why.
        """
        if not strict and self._list is not None and self._one is not None:
            try:
                is_list = body.lstrip()[:1] == b"["
                return self._records(self._list.decode(body) if is_list else [self._one.decode(body)])
            except (ValueError, RecursionError) as error:  # The slow way finds out what is wrong, or that nothing is.
                logger.debug("a body is read the slow way: %s", error)
        return self._read_slowly(_pairs(parsed(body)), strict=strict)

    def read_line(self, line: bytes, *, strict: bool = False) -> OutRecord:
        """Return the record that one line of JSON stands for.

        Raises:
            InvalidInputError: It is no pair, or cannot be used.
        """
        if not strict and self._one is not None:
            try:
                return self._records([self._one.decode(line)])[0]
            except (ValueError, RecursionError) as error:  # As above.
                logger.debug("a line is read the slow way: %s", error)
        return self._record(parsed(line), strict=strict)

    def read_keys(self, body: bytes) -> list[OutRecord]:
        """Return the tombstones of a JSON body with one key or a list of them.

        Raises:
            InvalidInputError: The body is no JSON.
            RefusedRecordsError: Some of the keys cannot be used.
        """
        node = parsed(body)
        keys = node if isinstance(node, list) else [node]
        records: list[OutRecord] = []
        verdicts: list[RefusedVerdict] = []
        for index, key in enumerate(keys):
            try:
                records.append(OutRecord(self._keys.encode(self._keys.from_json(key)), None))
            except InvalidInputError as error:
                verdicts.append(refused(index, error))
        if verdicts:
            raise RefusedRecordsError(verdicts, len(keys))
        return records

    def _records(self, pairs: Sequence[Any]) -> list[OutRecord]:
        if self._is_immutable and any(pair.value is None for pair in pairs):
            raise InvalidInputError(_NOT_DELETED)
        encode_key, encode_value = self._keys.encode, self._values.encode
        return [
            OutRecord(
                encode_key(pair.key),
                None if pair.value is None else encode_value(pair.value),
                () if pair.headers is None else _headers(pair.headers),
                None if pair.timestamp is None else _timestamp(pair.timestamp),
            )
            for pair in pairs
        ]

    def _read_slowly(self, pairs: list[Any], *, strict: bool) -> list[OutRecord]:
        records: list[OutRecord] = []
        verdicts: list[RefusedVerdict] = []
        for index, pair in enumerate(pairs):
            try:
                records.append(self._record(pair, strict=strict))
            except InvalidInputError as error:
                verdicts.append(refused(index, error))
        if verdicts:
            raise RefusedRecordsError(verdicts, len(pairs))
        return records

    def _record(self, pair: Any, *, strict: bool) -> OutRecord:
        if not isinstance(pair, dict) or "key" not in pair or "value" not in pair:
            raise InvalidInputError(f"Could not find 'key' or 'value' fields in: {shown(pair)}")
        if strict and (unknown := sorted(pair.keys() - _KNOWN_NAMES)):
            names = ", ".join(sorted(_KNOWN_NAMES))
            raise InvalidInputError(f"Unknown name {shown(unknown[0])} beside key and value. Known are: {names}.")
        key = self._key(pair["key"], strict=strict)
        return OutRecord(
            key,
            self._value(pair["value"], strict=strict),
            _headers(pair.get("headers")),
            _timestamp(pair.get("timestamp")),
        )

    def _key(self, node: Any, *, strict: bool) -> bytes:
        try:
            return self._keys.encode(self._keys.from_json(node, strict=strict))
        except InvalidValueError as error:
            raise error.under("key") from error.__cause__

    def _value(self, node: Any, *, strict: bool) -> bytes | None:
        if node is None:
            if self._is_immutable:
                raise InvalidInputError(_NOT_DELETED)
            return None
        try:
            return self._values.encode(self._values.from_json(node, strict=strict))
        except InvalidValueError as error:
            raise error.under("value") from error.__cause__


def parsed(body: bytes) -> Any:
    """Return a body, or a line of one, as decoded JSON.

    Raises:
        InvalidInputError: It is no JSON; says where.
        TooDeepError: It is nested deeper than is read.
    """
    if not body.strip():
        raise InvalidInputError("The request has no body. Send a JSON body.")
    try:
        node = msgspec.json.decode(body)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise InvalidInputError(f"The body of the request is not JSON: {error}. Correct it at that place.") from error
    if _levels_exceed(node, MAX_LEVELS):
        raise _too_deep()
    return node


def _too_deep() -> TooDeepError:
    return TooDeepError(f"The JSON is nested deeper than {MAX_LEVELS} levels. Send it with fewer.")


def _levels_exceed(node: Any, limit: int) -> bool:
    level = [node]
    for _ in range(limit):
        level = [
            child
            for parent in level
            if isinstance(parent, list | dict)
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, list | dict)
        ]
        if not level:
            return False
    return True


def _pairs(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return [node]
    if isinstance(node, list):
        return node
    raise InvalidInputError(f"Expected key-value object or list of key-value objects. Got: {node_type(node).upper()}")


def _decoders(keys: Codec, values: Codec) -> tuple[msgspec.json.Decoder[Any] | None, msgspec.json.Decoder[Any] | None]:
    """Return the decoders of a list of pairs and of one, `None` where the types have no quick way."""
    if keys.json_type is None or values.json_type is None:
        return None, None
    pair = msgspec.defstruct(
        "Pair",
        [
            ("key", keys.json_type),
            ("value", values.json_type | None),
            ("headers", Any, None),
            ("timestamp", Any, None),
        ],
        gc=False,
    )
    return msgspec.json.Decoder(list[pair]), msgspec.json.Decoder(pair)  # type: ignore[valid-type]  # made at run time


def _headers(node: Any) -> tuple[tuple[str, bytes | None], ...]:
    """Return the headers that a JSON node stands for: an object, or a list of names and values in order."""
    if node is None:
        return ()
    if isinstance(node, dict):
        return tuple((_text(name), _header_value(value)) for name, value in node.items())
    if isinstance(node, list) and all(isinstance(item, dict) and item.keys() == {"name", "value"} for item in node):
        return tuple((_header_name(item["name"]), _header_value(item["value"])) for item in node)
    raise InvalidValueError(f'Headers are an object of texts, or a list of {{"name", "value"}}. Got: {shown(node)}')


def _header_name(node: Any) -> str:
    if not isinstance(node, str):
        raise InvalidValueError(f"The name of a header is a text. Got: {shown(node)}")
    return _text(node)


def _text(text: str) -> str:
    if "\x00" in text:
        raise InvalidValueError(f"The name of a header holds no character U+0000. Got: {shown(text)}")
    return text


def _header_value(node: Any) -> bytes | None:
    if node is None:
        return None
    if isinstance(node, str):
        return node.encode()
    if isinstance(node, dict) and node.keys() == {"base64"} and isinstance(node["base64"], str):
        try:
            return base64.b64decode(node["base64"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidValueError(f"The value of a header is no base64 ({error}). Got: {shown(node)}") from error
    raise InvalidValueError(f'The value of a header is a text, {{"base64": …}} or null. Got: {shown(node)}')


def _timestamp(node: Any) -> int | None:
    """Return the milliseconds since 1970 that a JSON node stands for: a whole number of them, or ISO-8601."""
    if node is None:
        return None
    if type(node) is int and 0 < node < 1 << 63:
        return node
    if isinstance(node, str):
        try:
            moment = datetime.fromisoformat(node)
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is not None and (at := round(moment.timestamp() * 1000)) > 0:
            return at
    raise InvalidValueError(
        "A timestamp is a number of milliseconds since 1970, at least 1, or a time with its offset such as"
        f" 2026-01-31T12:00:00Z. Got: {shown(node)}"
    )
