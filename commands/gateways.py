"""Create and delete gateways, and tell them which schema to serve."""

from __future__ import annotations

from typing import NamedTuple

from commands.decisions import Caller, Commands, Consulted
from core import gateways
from core.aggregates import LogEvent
from core.errors import ConflictError, InvalidSdlError, NotFoundError
from core.sdl import GatewaySchema, parse_gateway_schema
from core.settings import Settings
from core.topic_checks import TopicTypes, check_topics


class NewGateway(NamedTuple):
    """What a caller asks for."""

    name: str
    replicas: int | None = None
    tag: str | None = None
    sdl: str | None = None


def create_gateway(commands: Commands, settings: Settings, caller: Caller, new: NewGateway) -> int:
    """Declare a gateway; return the command's position.

    Raises:
        InvalidInputError: The name or the schema cannot be used.
        ConflictError: There is a gateway of this name already.
        UnavailableError: Kafka did not answer or did not acknowledge.
    """
    gateways.check_name(new.name)
    schema = parse_gateway_schema(new.sdl) if new.sdl else None

    def decide(consulted: Consulted) -> list[LogEvent]:
        gateway = consulted.gateway(new.name)
        if gateway.state is not None:
            raise ConflictError(f"The resource with the name {new.name} already exists")
        if schema is not None:
            _check_topics(consulted, new.name, schema)
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


def apply_schema(commands: Commands, caller: Caller, name: str, sdl: str) -> int | None:
    """Make a gateway serve *sdl*; return the command's position, `None` when it serves that already.

    Raises:
        InvalidSdlError: The schema cannot be served; holds every problem with line and column.
        NotAvailableYetError: The schema needs something that this version cannot do.
        NotFoundError: There is no such gateway.
        UnavailableError: Kafka did not answer or did not acknowledge.
    """
    schema = parse_gateway_schema(sdl)

    def decide(consulted: Consulted) -> list[LogEvent]:
        gateway = consulted.gateway(name)
        if gateway.state is None:
            raise NotFoundError(f"Could not find resource {name}")
        if gateway.state.sdl == sdl:
            return []
        _check_topics(consulted, name, schema)
        return [gateway.record(gateways.GatewaySchemaApplied, name=name, sdl=sdl)]

    return commands.carry_out(caller, "apply_schema", f"gateway/{name}", decide)


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


def _check_topics(consulted: Consulted, gateway: str, schema: GatewaySchema) -> None:
    """Refuse what does not fit the topics; what may become right, such as a topic that does not exist yet, may stay."""
    ranged = {field.topic for field in schema.topic_fields.values() if field.range_from is not None}

    def types_of(name: str) -> TopicTypes | None:
        topic = consulted.topic(name).state
        mirror = consulted.mirror(name).state if name in ranged else None
        return None if topic is None else TopicTypes.of(topic, gateway, mirror.definition if mirror else None)

    problems = [finding.problem for finding in check_topics(schema, types_of) if not finding.is_warning]
    if problems:
        raise InvalidSdlError(problems)
