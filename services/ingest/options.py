"""What a client asks of one request, in its query and its headers."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

import falcon
import falcon.asgi

from core.errors import InvalidInputError

_TRUE: Final = frozenset({"true", "1", "yes", ""})
_FALSE: Final = frozenset({"false", "0", "no"})

FLAGS: Final = {"verdicts": "wants_verdicts", "atomic": "is_atomic", "strict": "is_strict", "dryRun": "is_dry_run"}
"""Parameters of every write."""

BINARY_PARAMETERS: Final = frozenset({"key", "schemaId", "timestamp"})
"""Parameters of a body that is the bytes of one value."""


_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Options(NamedTuple):
    """How a request is to be carried out."""

    wants_verdicts: bool = False
    """Tell of each record what became of it."""
    is_atomic: bool = False
    """Write all records or none, in a transaction."""
    is_strict: bool = False
    """Refuse names that the schema does not know."""
    is_dry_run: bool = False
    """Check everything and write nothing."""


_DEFAULT = Options()


def options_of(req: falcon.asgi.Request, also: frozenset[str] = frozenset()) -> Options:
    """Return what the query of *req* asks for; *also* names parameters that somebody else reads.

    Raises:
        InvalidInputError: A parameter is unknown, or no truth value.
    """
    if not req.query_string:
        return _DEFAULT
    percent_decoded(req.query_string, "query")
    given: dict[str, bool] = {}
    for name in req.params:
        if name in FLAGS:
            given[FLAGS[name]] = _truth(name, req.get_param(name) or "")
        elif name not in also:
            known = ", ".join(sorted({*FLAGS, *also}))
            raise InvalidInputError(f"The parameter {name!r} is unknown here. Known are: {known}.")
    return Options(**given)


def percent_decoded(text: str, what: str) -> str:
    """Return *text*, a part of a request's address that messages call *what*, with its percent signs resolved.

    The libraries put U+FFFD for what they cannot decode, and so would write and delete another key than was named.

    Raises:
        InvalidInputError: A percent sign is not followed by two hexadecimal digits, or the bytes are no UTF-8.
    """
    if _STRAY_PERCENT.search(text):
        raise InvalidInputError(f"A percent sign in the {what} is followed by no two hexadecimal digits. Send %25.")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"The {what} is no UTF-8 ({error.reason}). Encode it in UTF-8 first.") from error


def _truth(name: str, text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise InvalidInputError(f"The parameter {name} is {text!r}. Give true or false.")


JSON: Final = frozenset({"application/json", "text/json", "application/x-www-form-urlencoded", "text/plain"})
"""Content types of JSON; those of forms and text are what clients send that were told nothing."""

NDJSON: Final = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}
)
"""Content types of a JSON value a line."""

AVRO: Final = frozenset({"application/avro", "avro/binary", "application/vnd.apache.avro"})
PROTOBUF: Final = frozenset({"application/protobuf", "application/x-protobuf", "application/vnd.google.protobuf"})
OCTETS: Final = "application/octet-stream"

_KNOWN: Final = JSON | NDJSON | AVRO | PROTOBUF | {OCTETS}


def content_type_of(req: falcon.asgi.Request) -> str:
    """Return the content type of a body that can be read, `application/json` when none is said.

    Raises:
        falcon.HTTPUnsupportedMediaType: It is another one, in another charset, or compressed.
    """
    encoding = req.get_header("Content-Encoding")
    if encoding is not None and encoding.strip().lower() != "identity":
        raise falcon.HTTPUnsupportedMediaType(
            description=f"A body with Content-Encoding {encoding[:80]!r} is not read. Send it uncompressed."
        )
    return kind_of(req.content_type or falcon.MEDIA_JSON)


@lru_cache(256)
def kind_of(content_type: str) -> str:
    """Return the content type that a header says, without its parameters; see `content_type_of`."""
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if kind not in _KNOWN:
        raise falcon.HTTPUnsupportedMediaType(
            description=(
                f"A body of type {kind[:80]!r} is not read. Send application/json, application/x-ndjson,"
                " application/avro, application/x-protobuf or application/octet-stream."
            )
        )
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "charset" and value.strip('"') not in {"utf-8", "utf8", "us-ascii"}:
            raise falcon.HTTPUnsupportedMediaType(
                description=f"A body in the charset {value[:80]} is not read. Send it in UTF-8."
            )
    return kind
