"""`/schema-registry/compatibility…`: would a schema go with the earlier ones? Nothing is registered."""

from __future__ import annotations

from functools import partial

import falcon.asgi
import msgspec

from commands import subjects
from commands.subjects import NewSchema
from core import schema_formats
from core.compatibility import CompatibilityLevel
from core.errors import InvalidInputError, NotFoundError, RegistryRefusalError
from core.schema_formats import SchemaText
from core.subjects import Subject
from projections.registry import Registry
from services.schema_registry.answers import answer, flag, segment, version_in
from services.schema_registry.bodies import read_schema
from services.schema_registry.lookups import parsed
from services.worker import Worker


class CompatibilityBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """A verdict, with the reasons where they are asked for."""

    is_compatible: bool
    messages: list[str] | None = None


class SubjectCompatibilityResource:
    """`/compatibility/subjects/{subject}/versions`: checked against what the subject's level asks for."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, subject: str) -> None:
        """Answer with the verdict, and with reasons (`verbose`)."""
        new, registry = await read_schema(req), self._worker.views.registry
        check = partial(_against_subject, registry, segment(subject), new)
        _answer_verdict(req, resp, await self._worker.in_thread(check))


class VersionCompatibilityResource:
    """`/compatibility/subjects/{subject}/versions/{version}`: checked against one version."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, subject: str, version: str) -> None:
        """Answer with the verdict, and with reasons (`verbose`)."""
        number = version_in(version)
        new, registry = await read_schema(req), self._worker.views.registry
        check = partial(_against_version, registry, segment(subject), number, new)
        _answer_verdict(req, resp, await self._worker.in_thread(check))


def _answer_verdict(req: falcon.asgi.Request, resp: falcon.asgi.Response, reasons: list[str]) -> None:
    answer(resp, CompatibilityBody(not reasons, reasons if flag(req, "verbose") else None))


def _against_subject(registry: Registry, name: str, new: NewSchema) -> list[str]:
    level = registry.compatibility(name)
    subject = _subject(registry, name)
    versions = [] if subject is None else subject.versions()
    return _reasons(registry, subject, versions if level.is_transitive else versions[-1:], level, new)


def _against_version(registry: Registry, name: str, version: int, new: NewSchema) -> list[str]:
    subject = _subject(registry, name)
    versions = [] if subject is None else subject.versions()
    if version == subjects.LATEST:
        versions = versions[-1:]
    elif version in versions:
        versions = [version]
    else:
        raise subjects.version_not_found(version)
    return _reasons(registry, subject, versions, registry.compatibility(name), new)


def _subject(registry: Registry, name: str) -> Subject | None:
    try:
        return registry.subject(name).state
    except NotFoundError:
        return None


def _reasons(
    registry: Registry, subject: Subject | None, versions: list[int], level: CompatibilityLevel, new: NewSchema
) -> list[str]:
    schema = parsed(registry, new)
    if subject is None:
        return []
    try:
        return [
            f"{reason} (version {version})"
            for version in reversed(versions)
            for reason in schema_formats.incompatibilities(
                level, schema.format, SchemaText(schema.text, schema.imports), registry.schema(subject.id_of(version))
            )
        ]
    except InvalidInputError as error:
        raise RegistryRefusalError(subjects.INVALID_SCHEMA, f"Invalid schema: {error}") from error
