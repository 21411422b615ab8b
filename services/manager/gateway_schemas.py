"""The schemas of gateways over REST: applied, compared and read, as a whole and type by type."""

from __future__ import annotations

import difflib
from functools import partial
from typing import Final

import falcon
import falcon.asgi
import msgspec

from commands import gateways
from commands.gateways import AppliedSchema
from commands.schemas import converted
from core.errors import NotFoundError
from core.gateways import NOUN
from core.registered_schema import SchemaFormat
from core.sdl_changes import breaking
from core.settings import Settings
from core.stored_schemas import stored_schema
from core.write_types import write_type
from services.manager.caller import caller_of
from services.manager.effects import answer_when_in_registry
from services.manager.moments import registry_at
from services.request_body import read_struct
from services.worker import Worker

MAX_DIFF_LINES: Final = 5_000
"""Lines of two schemas together that are compared line by line: the time that takes grows with their square."""


class SchemaBody(msgspec.Struct, frozen=True):
    """A schema text, asked for or sent."""

    schema: str


class GatewayChangeBody(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One thing that is different in a new schema."""

    severity: str
    coordinate: str
    text: str
    way_out: str = ""


class SchemaReportBody(msgspec.Struct, frozen=True, rename="camel"):
    """What a schema changes, or would change."""

    changed: bool
    """Whether its text is another one than that of the running schema."""
    changes: list[GatewayChangeBody]
    """The worst first."""
    warnings: list[str]
    """What the schema still lacks."""
    breaking: int
    """How many of the changes break operations."""
    diff: str | None
    """The two texts as a unified diff, `None` where they are too long to be compared."""


class GatewaySchemaResource:
    """`/manager/gateway/{name}/schema`: what the gateway serves."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Answer with the schema as it was applied last, or had been then; blank before the first time."""
        registry = await registry_at(self._worker, req, NOUN)
        resp.data = msgspec.json.encode(SchemaBody(registry.gateway(name).state.sdl))

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Apply a schema; answers when the registry shows it, from which every worker takes it."""
        await apply_schema(self._worker, req, resp, name)


class WriteTypeResource:
    """`/manager/gateway/{name}/schema/{type}/{form}`: a type as topics store it, as SDL, Avro or Protobuf."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(
        self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str, type_name: str, form: str
    ) -> None:
        """Answer with `{"schema": …}`."""
        if form not in {"graphql", "avro", "protobuf"}:
            raise NotFoundError(f"There is no form {form} of a type. Ask for graphql, avro or protobuf.")
        await answer_write_type(self._worker, resp, name, type_name, form)


async def apply_schema(worker: Worker, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
    """Apply the schema in the body of *req* to a gateway, or only check it (`dryRun`).

    The answer is empty unless it was only checked, or the caller asks for a `report`.

    Raises:
        InvalidInputError: The body or the schema cannot be used.
        NotFoundError: There is no such gateway.
        BreakingChangesError: It breaks something, and `failOnBreaking` says to refuse that.
        EffectPendingError: It is recorded, and the registry does not show it yet.
    """
    is_dry, is_strict, is_reported = (
        req.get_param_as_bool(parameter, default=False) for parameter in ("dryRun", "failOnBreaking", "report")
    )
    body = await read_struct(req, SchemaBody)
    apply = partial(
        gateways.apply_schema,
        worker.commands,
        caller_of(req),
        name,
        body.schema,
        fail_on_breaking=is_strict,
        dry_run=is_dry,
    )
    applied = await worker.in_thread(apply)
    await answer_when_in_registry(worker, resp, f"The schema of gateway {name}", applied.position)
    if is_dry or is_reported:
        resp.data = await worker.in_thread(partial(_report, applied, body.schema))
    else:
        resp.content_type = falcon.MEDIA_TEXT  # Nothing is no JSON.


async def answer_write_type(
    worker: Worker, resp: falcon.asgi.Response, name: str, type_name: str, form: str = "graphql"
) -> None:
    """Answer with a type of a gateway as topics store it.

    Raises:
        NotFoundError: There is no such gateway.
        InvalidInputError: Its schema has no such type, or the form has no schema for it.
        StoredSchemaError: This version cannot use its schema.
    """
    gateway = worker.views.registry.gateway(name).state
    written = partial(_write_type, gateway.name, gateway.sdl, type_name, form, worker.settings)
    resp.data = msgspec.json.encode(SchemaBody(await worker.in_thread(written)))


def _write_type(gateway: str, sdl: str, type_name: str, form: str, settings: Settings) -> str:
    written = write_type(stored_schema(gateway, sdl), type_name)
    return written if form == "graphql" else converted(written, type_name, SchemaFormat.parse(form), settings)


def _report(applied: AppliedSchema, sdl: str) -> bytes:
    changes = [
        GatewayChangeBody(change.severity, change.coordinate, change.text, change.way_out) for change in applied.changes
    ]
    diff = _diff(applied.before, sdl) if applied.is_changed else ""
    report = SchemaReportBody(applied.is_changed, changes, applied.warnings, len(breaking(applied.changes)), diff)
    return msgspec.json.encode(report)


def _diff(before: str, after: str) -> str | None:
    old, new = before.splitlines(), after.splitlines()
    if len(old) + len(new) > MAX_DIFF_LINES:
        return None
    return "\n".join(difflib.unified_diff(old, new, "before", "after", lineterm=""))
