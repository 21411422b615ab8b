"""`/schema-registry/schemas…`: schemas by their global ID."""

from __future__ import annotations

from functools import partial

import falcon.asgi
import msgspec

from core.registered_schema import SchemaFormat
from projections.registry import Registry
from services.schema_registry.answers import answer, answer_text, flag, page
from services.schema_registry.bodies import RegisteredSchemaBody, schema_body
from services.schema_registry.lookups import schema_of, uses_of
from services.schema_registry.subjects import prefix_in
from services.worker import Worker


class SubjectVersionBody(msgspec.Struct, frozen=True):
    """A place where a schema is registered."""

    subject: str
    version: int


class SchemaTypesResource:
    """`/schemas/types`: the types of schemas."""

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with all types that can be registered."""
        answer(resp, list(SchemaFormat))


class SchemasResource:
    """`/schemas`: all versions of all subjects."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with all versions, or with the latest ones (`latestOnly`) of subjects with a prefix."""
        registry = self._worker.views.registry
        work = partial(
            _all_versions,
            registry,
            prefix=prefix_in(req),
            deleted=flag(req, "deleted"),
            latest_only=flag(req, "latestOnly"),
        )
        answer(resp, page(req, await self._worker.in_thread(work)))


class SchemaResource:
    """`/schemas/ids/{id}`: one schema; deserializers ask for it."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, schema_id: int) -> None:
        """Answer with the schema, and with the greatest ID (`fetchMaxId`)."""
        registry = self._worker.views.registry
        schema = schema_of(registry, schema_id)
        max_id = registry.max_schema_id() if flag(req, "fetchMaxId") else None
        answer(resp, schema_body(schema, max_id=max_id))


class SchemaTextResource:
    """`/schemas/ids/{id}/schema`: nothing but the text."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, schema_id: int) -> None:
        """Answer with the text."""
        answer_text(resp, schema_of(self._worker.views.registry, schema_id).schema)


class SchemaSubjectsResource:
    """`/schemas/ids/{id}/subjects`: the subjects that have a schema."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, schema_id: int) -> None:
        """Answer with their names."""
        uses = await _uses(self._worker, req, schema_id)
        answer(resp, page(req, list(dict.fromkeys(subject for subject, _ in uses))))


class SchemaVersionsResource:
    """`/schemas/ids/{id}/versions`: the versions that are a schema."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, schema_id: int) -> None:
        """Answer with subject and version of each."""
        uses = await _uses(self._worker, req, schema_id)
        answer(resp, page(req, [SubjectVersionBody(*use) for use in uses]))


async def _uses(worker: Worker, req: falcon.asgi.Request, schema_id: int) -> list[tuple[str, int]]:
    registry = worker.views.registry
    schema_of(registry, schema_id)
    wanted = req.get_param("subject")
    find = partial(uses_of, registry, schema_id, with_deleted=flag(req, "deleted"))
    uses = await worker.in_thread(lambda: list(find()))
    return [use for use in uses if wanted is None or use[0] == wanted]


def _all_versions(registry: Registry, *, prefix: str, deleted: bool, latest_only: bool) -> list[RegisteredSchemaBody]:
    found = []
    for row in registry.subjects():
        subject = row.state
        if subject.name.startswith(prefix):
            versions = subject.versions(with_deleted=deleted)
            for version in versions[-1:] if latest_only else versions:
                schema = registry.schema(subject.id_of(version))
                found.append(schema_body(schema, subject=subject.name, version=version))
    return found
