"""`/schema-registry/subjects…`: subjects and their versions."""

from __future__ import annotations

from functools import partial

import falcon.asgi
import msgspec

from commands import subjects
from core import schema_formats
from core.errors import RegistryRefusalError
from core.registered_schema import RegisteredSchema
from projections.registry import Registry
from services.manager.caller import caller_of
from services.schema_registry.answers import answer, answer_text, await_write, flag, page, segment, version_in
from services.schema_registry.bodies import RegisteredSchemaBody, read_schema, schema_body
from services.schema_registry.lookups import names_of, parsed, schema_of, subject_in, version_of
from services.worker import Worker

_EVERYWHERE = ":*:"
"""The prefix of all contexts, of which there is one."""


class RegisteredBody(msgspec.Struct, frozen=True):
    """The answer to a registration."""

    id: int


def prefix_in(req: falcon.asgi.Request) -> str:
    """Return the prefix of the subjects that are asked for."""
    return (req.get_param("subjectPrefix") or "").removeprefix(_EVERYWHERE)


class SubjectsResource:
    """`/subjects`: all subjects."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with the names of all subjects, with those deleted softly (`deleted`), or with those only."""
        registry = self._worker.views.registry
        rows = await self._worker.in_thread(registry.subjects)
        names = names_of(
            (row.state for row in rows),
            prefix=prefix_in(req),
            deleted=flag(req, "deleted"),
            deleted_only=flag(req, "deletedOnly"),
        )
        answer(resp, page(req, names))


class SubjectResource:
    """`/subjects/{subject}`: one subject."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, subject: str) -> None:
        """Answer with the version that is the schema in the body."""
        new, registry = await read_schema(req), self._worker.views.registry
        find = partial(_find, registry, segment(subject), new, with_deleted=flag(req, "deleted"))
        answer(resp, await self._worker.in_thread(find))

    async def on_delete(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, subject: str) -> None:
        """Delete the subject softly, or for good (`permanent`); answer with its versions."""
        worker, caller, name = self._worker, caller_of(req), segment(subject)
        delete = partial(subjects.delete_subject, worker.commands, caller, name, permanent=flag(req, "permanent"))
        versions, position = await worker.in_thread(delete)
        await await_write(worker, resp, f"The deletion of subject {name}", position)
        answer(resp, versions)


class VersionsResource:
    """`/subjects/{subject}/versions`: the versions of a subject."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, subject: str) -> None:
        """Answer with their numbers."""
        deleted, deleted_only = flag(req, "deleted"), flag(req, "deletedOnly")
        found = subject_in(self._worker.views.registry, segment(subject), with_deleted=deleted or deleted_only)
        versions = list(found.soft_deleted) if deleted_only else found.versions(with_deleted=deleted)
        answer(resp, page(req, versions))

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, subject: str) -> None:
        """Register the schema in the body; answer with its ID when this process shows it."""
        worker, caller, name, new = self._worker, caller_of(req), segment(subject), await read_schema(req)
        schema_id, position = await worker.in_thread(
            partial(subjects.register_schema, worker.commands, caller, name, new)
        )
        await await_write(worker, resp, f"Schema {schema_id}", position)
        answer(resp, RegisteredBody(schema_id))


class VersionResource:
    """`/subjects/{subject}/versions/{version}`: one version."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, subject: str, version: str) -> None:
        """Answer with the version and its schema."""
        name = segment(subject)
        number, schema = _version(self._worker.views.registry, req, name, version)
        answer(resp, schema_body(schema, subject=name, version=number))

    async def on_delete(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, subject: str, version: str) -> None:
        """Delete the version softly, or for good (`permanent`); answer with its number."""
        worker, caller, name, number = self._worker, caller_of(req), segment(subject), version_in(version)
        delete = partial(
            subjects.delete_version, worker.commands, caller, name, number, permanent=flag(req, "permanent")
        )
        deleted, position = await worker.in_thread(delete)
        await await_write(worker, resp, f"The deletion of version {deleted} of subject {name}", position)
        answer(resp, deleted)


class VersionTextResource:
    """`/subjects/{subject}/versions/{version}/schema`: nothing but the text."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, subject: str, version: str) -> None:
        """Answer with the text."""
        _, schema = _version(self._worker.views.registry, req, segment(subject), version)
        answer_text(resp, schema.schema)


class ReferencedByResource:
    """`/subjects/{subject}/versions/{version}/referencedby`: the schemas that name a version."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, subject: str, version: str) -> None:
        """Answer with their IDs."""
        registry = self._worker.views.registry
        found = subject_in(registry, segment(subject), with_deleted=True)
        number = version_of(found, version_in(version), with_deleted=True)
        ids = {
            registry.subject(one.by_subject).state.id_of(one.by_version)
            for one in found.referrers
            if one.version == number
        }
        answer(resp, page(req, sorted(ids)))


def _version(registry: Registry, req: falcon.asgi.Request, subject: str, version: str) -> tuple[int, RegisteredSchema]:
    number, deleted = version_in(version), flag(req, "deleted")
    found = subject_in(registry, subject, with_deleted=deleted)
    number = version_of(found, number, with_deleted=deleted)
    return number, schema_of(registry, found.id_of(number))


def _find(registry: Registry, subject: str, new: subjects.NewSchema, *, with_deleted: bool) -> RegisteredSchemaBody:
    found = subject_in(registry, subject, with_deleted=with_deleted)
    wanted = parsed(registry, new)
    for version in reversed(found.versions(with_deleted=with_deleted)):
        schema = registry.schema(found.id_of(version))
        if schema_formats.is_same(wanted.format, wanted.text, wanted.references, schema, normalize=new.normalize):
            return schema_body(schema, subject=subject, version=version)
    raise RegistryRefusalError(subjects.SCHEMA_NOT_FOUND, "Schema not found")
