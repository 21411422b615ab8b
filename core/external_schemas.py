"""A schema registry that exists already and gives the IDs: asked over HTTP, as Confluent's API has it.

Schemas are kept on disk by their ID, which never changes its meaning, so that records go on being read while the
registry is away. The files can be deleted: they are asked for again.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import msgspec

from core.errors import (
    ConflictError,
    IncompatibleSchemaError,
    InvalidInputError,
    NotFoundError,
    QuickError,
    StoreError,
    UnavailableError,
)
from core.registered_schema import RegisteredSchema, SchemaImport

logger = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"

CONNECT_TIMEOUT_S: Final = 2.0
ANSWER_TIMEOUT_S: Final = 5.0
"""Longest wait for an answer; a record whose schema is not known yet waits for it."""

RETRY_PAUSES_S: Final = (0.1, 0.3, 1.0)
"""Pauses before a change is sent again that had no answer: registering the same schema again changes nothing."""

REST_S: Final = 5.0
"""How long a registry that did not answer is not asked for schemas again: each record would wait for it."""


_CHECK_CREDENTIALS: Final = ". Check user and password in QUICK_KAFKA_SCHEMA_REGISTRY_URL."

_REFUSALS: Final[Mapping[int, tuple[type[QuickError], str]]] = {
    HTTPStatus.BAD_REQUEST: (InvalidInputError, ""),
    HTTPStatus.UNAUTHORIZED: (ConflictError, _CHECK_CREDENTIALS),
    HTTPStatus.FORBIDDEN: (ConflictError, _CHECK_CREDENTIALS),
    HTTPStatus.NOT_FOUND: (NotFoundError, ""),
    HTTPStatus.REQUEST_TIMEOUT: (UnavailableError, ". Try again."),
    HTTPStatus.UNPROCESSABLE_ENTITY: (InvalidInputError, ""),
    HTTPStatus.TOO_MANY_REQUESTS: (UnavailableError, ". Try again."),
}
"""What a status means, and what is said after the registry's own text; all others below 500 are conflicts."""


class RegisteredVersion(NamedTuple):
    """A schema as the registry has it under a subject."""

    schema_id: int
    version: int


class _Answer(msgspec.Struct, rename="camel"):
    """What is used of the registry's answers."""

    id: int = 0
    version: int = 0
    schema: str = ""
    schema_type: str = "AVRO"
    references: list[SchemaImport] = []
    is_compatible: bool = msgspec.field(name="is_compatible", default=True)
    messages: list[str] = []
    error_code: int = msgspec.field(name="error_code", default=0)
    message: str = ""


class _Kept(msgspec.Struct):
    """A schema on disk."""

    url: str
    schema: RegisteredSchema


class ExternalRegistry:
    """A client of a schema registry.

    Args:
        url: Its address, which may carry `user:password@`.
        folder: Where schemas are kept.
    """

    def __init__(self, url: str, folder: Path) -> None:
        parts = urlsplit(url)
        credentials, _, host = parts.netloc.rpartition("@")
        user, _, password = credentials.partition(":")
        self.url = urlunsplit(parts._replace(netloc=host))
        """Its address without credentials."""
        self._folder = folder
        import httpx  # noqa: PLC0415 - 50 ms and 5 MB that processes without a registry elsewhere do not need

        self._errors = httpx.HTTPError
        self._client = httpx.Client(
            base_url=self.url,
            auth=(unquote(user), unquote(password)) if credentials else None,
            headers={"Accept": f"{MEDIA_TYPE}, application/json", "Content-Type": MEDIA_TYPE},
            timeout=httpx.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        )
        self._asking = threading.Lock()
        self._schemas: dict[int, RegisteredSchema] = {}
        self._rests_until = 0.0

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def schema(self, schema_id: int) -> RegisteredSchema:
        """Return the schema of an ID, as it is known, kept on disk or told by the registry.

        Raises:
            NotFoundError: The registry never gave the ID.
            UnavailableError: It is not known yet, and the registry does not answer.
        """
        known = self._schemas.get(schema_id)
        if known is not None:
            return known
        with self._asking:
            known = self._schemas.get(schema_id) or self._kept(schema_id) or self._fetched(schema_id)
            self._schemas[schema_id] = known
        return known

    def register(self, subject: str, schema_type: str, schema: str) -> RegisteredVersion:
        """Register a schema under a subject; the same one again changes nothing.

        Raises:
            IncompatibleSchemaError: It does not go with the earlier versions; says where, as the registry tells it.
            InvalidInputError: The registry cannot use the schema.
            ConflictError: It refused for another reason.
            UnavailableError: It does not answer.
        """
        body = _schema_body(schema_type, schema)
        try:
            schema_id = self._changed("POST", f"/subjects/{_quoted(subject)}/versions", body).id
        except IncompatibleSchemaError as error:
            raise IncompatibleSchemaError(
                error.message, self.incompatibilities(subject, schema_type, schema)
            ) from error
        found = self.version(subject, schema_type, schema)
        return RegisteredVersion(schema_id, found.version if found is not None else 0)

    def version(self, subject: str, schema_type: str, schema: str) -> RegisteredVersion | None:
        """Return the version of a subject that a schema is, `None` when it is none.

        Raises:
            InvalidInputError: The registry cannot use the schema.
            ConflictError: It refused for another reason.
            UnavailableError: It does not answer.
        """
        try:
            found = self._changed("POST", f"/subjects/{_quoted(subject)}", _schema_body(schema_type, schema))
        except NotFoundError:
            return None
        return RegisteredVersion(found.id, found.version)

    def incompatibilities(self, subject: str, schema_type: str, schema: str) -> list[str]:
        """Return why a schema does not go with the earlier ones of a subject; nothing when it does.

        Raises:
            InvalidInputError: The registry cannot use the schema.
            ConflictError: It refused for another reason.
            UnavailableError: It does not answer.
        """
        path = f"/compatibility/subjects/{_quoted(subject)}/versions?verbose=true"
        try:
            verdict = self._changed("POST", path, _schema_body(schema_type, schema))
        except NotFoundError:
            return []
        if verdict.is_compatible:
            return []
        return verdict.messages or ["The registry says that it is incompatible, and not why. Compare the two."]

    def has_subject(self, subject: str) -> bool:
        """Return whether there is a subject with a version in use.

        Raises:
            ConflictError: The registry refused to tell.
            UnavailableError: It does not answer.
        """
        try:
            self._changed("GET", f"/subjects/{_quoted(subject)}/versions/latest", None)
        except NotFoundError:
            return False
        return True

    def delete_subject(self, subject: str) -> None:
        """Delete a subject for good; one that is not there is no error.

        Raises:
            ConflictError: The registry refused, as when another schema names it.
            UnavailableError: It does not answer.
        """
        for parameters in ("", "?permanent=true"):
            try:
                self._changed("DELETE", f"/subjects/{_quoted(subject)}{parameters}", None)
            except NotFoundError:
                continue  # It is deleted softly already, or gone.

    def _changed(self, method: str, path: str, body: object) -> _Answer:
        """Send a request, and again when it has no answer."""
        for pause_s in RETRY_PAUSES_S:
            try:
                return self._answer(method, path, body)
            except UnavailableError:
                time.sleep(pause_s)
        return self._answer(method, path, body)

    def _answer(self, method: str, path: str, body: object) -> _Answer:
        try:
            response = self._client.request(method, path, json=body)
        except self._errors as error:
            cause = str(error) or type(error).__name__
            raise UnavailableError(f"The schema registry at {self.url} does not answer: {cause}. Try again.") from error
        try:
            raw = response.content
            answer = msgspec.json.decode(raw, type=_Answer) if raw.startswith(b"{") else _Answer()
        except msgspec.DecodeError as error:
            raise UnavailableError(
                f"The schema registry at {self.url} answered {response.status_code} and what is no answer of a"
                f" registry ({error}). Check QUICK_KAFKA_SCHEMA_REGISTRY_URL."
            ) from error
        if not response.is_success:
            raise self._refusal(response.status_code, answer.message or response.reason_phrase)
        return answer

    def _refusal(self, status: int, message: str) -> QuickError:
        told = f"The schema registry at {self.url} answered {status}: {message}"
        if status == HTTPStatus.CONFLICT:
            return IncompatibleSchemaError(told, [])
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return UnavailableError(f"{told}. Try again.")
        kind, way_out = _REFUSALS.get(status, (ConflictError, ""))
        return kind(told + way_out)

    def _fetched(self, schema_id: int) -> RegisteredSchema:
        """Ask the registry for a schema and for what it names, and keep it."""
        if time.monotonic() < self._rests_until:
            raise UnavailableError(
                f"Schema {schema_id} is not known yet, and the schema registry at {self.url} did not answer a moment"
                " ago. Try again."
            )
        try:
            found = self._answer("GET", f"/schemas/ids/{schema_id}", None)
            schema = RegisteredSchema(
                schema_id=schema_id,
                schema_type=found.schema_type,
                schema=found.schema,
                references=tuple(found.references),
                imports=self._imports(found.references),
            )
        except UnavailableError:
            self._rests_until = time.monotonic() + REST_S
            raise
        self._keep(schema)
        return schema

    def _imports(self, references: list[SchemaImport]) -> dict[str, str]:
        imports: dict[str, str] = {}
        waiting = list(references)
        while waiting:
            reference = waiting.pop(0)
            if reference.name not in imports:
                path = f"/subjects/{_quoted(reference.subject)}/versions/{reference.version}?deleted=true"
                found = self._answer("GET", path, None)
                imports[reference.name] = found.schema
                waiting.extend(found.references)
        return imports

    def _kept(self, schema_id: int) -> RegisteredSchema | None:
        """Return a schema that is kept on disk; what is broken there, or another registry's, is asked for again."""
        try:
            kept = msgspec.json.decode(self._path(schema_id).read_bytes(), type=_Kept)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            logger.warning("%s cannot be used and is asked for again: %s", self._path(schema_id), error)
            return None
        return kept.schema if kept.url == self.url else None

    def _keep(self, schema: RegisteredSchema) -> None:
        path = self._path(schema.schema_id)
        fresh = path.with_suffix(f".{os.getpid()}.new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(msgspec.json.encode(_Kept(self.url, schema)))
            fresh.replace(path)
        except OSError as error:
            raise StoreError(f"Cannot write to {path.parent}: {error}. Check the disk and its permissions.") from error

    def _path(self, schema_id: int) -> Path:
        return self._folder / f"{schema_id}.json"


def _schema_body(schema_type: str, schema: str) -> dict[str, Any]:
    return {"schema": schema} if schema_type == "AVRO" else {"schema": schema, "schemaType": schema_type}


def _quoted(subject: str) -> str:
    return quote(subject, safe="")
