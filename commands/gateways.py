"""Create and delete gateways, and tell them which schema to serve."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from commands.decisions import Caller, Commands, Consulted
from core import gateways
from core.aggregates import LogEvent
from core.errors import BreakingChangesError, ConflictError, InvalidSdlError, NotFoundError, StoredSchemaError
from core.names import check_name
from core.sdl import GatewaySchema, parse_gateway_schema
from core.sdl_changes import SchemaChange, Severity, breaking, changes
from core.settings import Settings
from core.stored_schemas import stored_schema
from core.topic_checks import TopicTypes, check_topics

MAX_RECORDED_CHANGES: Final = 100
"""Changes that the log keeps of one schema, the worst first; it counts them all, and has both texts."""

MAX_RECORDED_CHARACTERS: Final = 500
"""Longest text of a change in the log."""


class NewGateway(NamedTuple):
    """What a caller asks for."""

    name: str
    replicas: int | None = None
    tag: str | None = None
    sdl: str | None = None


class AppliedSchema(NamedTuple):
    """What came of a schema, or would come of it."""

    position: int | None
    """Of the command; `None` when nothing was recorded."""
    before: str
    """The SDL that was served until then."""
    is_changed: bool
    changes: list[SchemaChange]
    """What is different for those who use the gateway, the worst first."""
    warnings: list[str]
    """What the schema still lacks: topics that do not exist yet."""


def create_gateway(commands: Commands, settings: Settings, caller: Caller, new: NewGateway) -> int:
    """Declare a gateway; return the command's position.

    Raises:
        InvalidInputError: The name or the schema cannot be used.
        ConflictError: There is a gateway of this name already.
        UnavailableError: Kafka did not answer or did not acknowledge.
    """
    check_name("Gateway", new.name)
    schema = parse_gateway_schema(new.sdl) if new.sdl else None

    def decide(consulted: Consulted) -> list[LogEvent]:
        gateway = consulted.gateway(new.name)
        if gateway.state is not None:
            raise ConflictError(f"The resource with the name {new.name} already exists")
        if schema is not None:
            _unfitting_topics(consulted, new.name, schema)
        created = gateway.record(
            gateways.GatewayCreated,
            name=new.name,
            replicas=settings.default_replicas if new.replicas is None else new.replicas,
            tag=new.tag,
            sdl=new.sdl or "",
        )
        return [created]

    position = commands.carry_out(caller, "create_gateway", f"gateway/{new.name}", decide)
    assert position is not None, "creating a gateway always has events"
    return position


def apply_schema(
    commands: Commands,
    caller: Caller,
    name: str,
    sdl: str,
    *,
    fail_on_breaking: bool = False,
    dry_run: bool = False,
) -> AppliedSchema:
    """Make a gateway serve *sdl*, unless it does already; return what that changes.

    Args:
        commands: The command log.
        caller: Who asks and why.
        name: The gateway.
        sdl: The schema.
        fail_on_breaking: Refuse a schema that breaks operations which the running one answers.
        dry_run: Only check it.

    Raises:
        InvalidSdlError: The schema cannot be served; holds every problem with line and column.
        NotAvailableYetError: The schema needs something that this version cannot do.
        NotFoundError: There is no such gateway.
        BreakingChangesError: It breaks something, and that was to be refused.
        UnavailableError: Kafka did not answer or did not acknowledge.
    """
    schema = parse_gateway_schema(sdl)
    found: list[AppliedSchema] = []

    def decide(consulted: Consulted) -> list[LogEvent]:
        gateway = consulted.gateway(name)
        if gateway.state is None:
            raise NotFoundError(f"Could not find resource {name}")
        before = gateway.state.sdl
        warnings = _unfitting_topics(consulted, name, schema)
        made = [] if before == sdl else _changes(gateway.state, schema)
        found[:] = [AppliedSchema(None, before, before != sdl, made, warnings)]
        if fail_on_breaking and (worst := breaking(made)):
            raise BreakingChangesError(name, [f"{change.text} {change.way_out}" for change in worst])
        if before == sdl:
            return []
        return [gateway.record(gateways.GatewaySchemaApplied, name=name, sdl=sdl, **_recorded(made))]

    if dry_run:
        decide(Consulted(commands))
        return found[0]
    position = commands.carry_out(caller, "apply_schema", f"gateway/{name}", decide)
    return (found[0] if found else _repeated(commands, position, sdl))._replace(position=position)


def delete_gateway(commands: Commands, caller: Caller, name: str) -> int | None:
    """Give a gateway up; return the command's position, `None` when there was none.

    Raises:
        UnavailableError: Kafka did not answer or did not acknowledge.
    """

    def decide(consulted: Consulted) -> list[LogEvent]:
        gateway = consulted.gateway(name)
        if gateway.state is None:
            return []
        return [gateway.record(gateways.GatewayDeleted, name=name)]

    return commands.carry_out(caller, "delete_gateway", f"gateway/{name}", decide)


def _unfitting_topics(consulted: Consulted, gateway: str, schema: GatewaySchema) -> list[str]:
    """Return what may become right, such as a topic that does not exist yet.

    Raises:
        InvalidSdlError: Something does not fit a topic and never will.
    """
    ranged = {field.topic for field in schema.topic_fields.values() if field.range_from is not None}

    def types_of(name: str) -> TopicTypes | None:
        topic = consulted.topic(name).state
        mirror = consulted.mirror(name).state if name in ranged else None
        return None if topic is None else TopicTypes.of(topic, gateway, mirror.definition if mirror else None)

    findings = check_topics(schema, types_of)
    if problems := [finding.problem for finding in findings if not finding.is_warning]:
        raise InvalidSdlError(problems)
    return [str(finding.problem) for finding in findings]


def _changes(gateway: gateways.Gateway, schema: GatewaySchema) -> list[SchemaChange]:
    """Return what *schema* changes; before its first schema a gateway serves a placeholder that nobody uses."""
    if not gateway.sdl.strip():
        return changes(None, schema)
    try:
        return changes(stored_schema(gateway.name, gateway.sdl), schema)
    except StoredSchemaError:
        text = "This version cannot use the schema before, so nothing is compared with it."
        return [SchemaChange(Severity.DANGEROUS, "schema", text)]


def _recorded(made: Iterable[SchemaChange]) -> dict[str, Any]:
    """Return the facts that the log keeps of changes."""
    every = list(made)
    counts = {severity.value: sum(change.severity is severity for change in every) for severity in Severity}
    worst = [
        {
            "severity": change.severity.value,
            "coordinate": change.coordinate[:MAX_RECORDED_CHARACTERS],
            "text": change.text[:MAX_RECORDED_CHARACTERS],
        }
        for change in every[:MAX_RECORDED_CHANGES]
    ]
    return {"counts": counts, "changes": worst}


def _repeated(commands: Commands, position: int | None, sdl: str) -> AppliedSchema:
    """Return what the log says of a command that was carried out before, under the same id."""
    events = [] if position is None else commands.events_at(position)
    applied = [event for event in events if isinstance(event, gateways.GatewaySchemaApplied)]
    made = [
        SchemaChange(Severity(str(change["severity"])), str(change["coordinate"]), str(change["text"]))
        for event in applied
        for change in event.changes
    ]
    return AppliedSchema(position, sdl, bool(applied), made, [])
