"""Deploy and delete applications.

Recording is all that happens here: they run where Quick runs in Kubernetes, which brings about what is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from commands.decisions import Caller, Commands, Consulted
from core import applications
from core.aggregates import LogEvent
from core.applications import Application, check_application
from core.errors import ConflictError
from core.settings import Settings


class NewApplication(NamedTuple):
    """What a caller asks for."""

    name: str
    registry: str
    image_name: str
    tag: str
    replicas: int | None = None
    """`None` for the deployment's number."""
    port: int | None = None
    """`None` for an application that nobody asks."""
    image_pull_secret: str | None = None
    arguments: Mapping[str, str] = MappingProxyType({})


def deploy_application(commands: Commands, settings: Settings, caller: Caller, new: NewApplication) -> int:
    """Declare an application; return the command's position.

    Raises:
        InvalidInputError: The name, the image, or how it is to run cannot be used.
        ConflictError: There is an application of this name already.
        UnavailableError: Kafka did not answer or did not acknowledge.
    """
    wanted = Application(
        name=new.name,
        registry=new.registry,
        image_name=new.image_name,
        tag=new.tag,
        replicas=settings.default_replicas if new.replicas is None else new.replicas,
        port=new.port,
        image_pull_secret=new.image_pull_secret,
        arguments=dict(new.arguments),
    )
    check_application(wanted)

    def decide(consulted: Consulted) -> list[LogEvent]:
        application = consulted.application(new.name)
        if application.state is not None:
            raise ConflictError(f"The resource with the name {new.name} already exists")
        return [application.record(applications.ApplicationDeployed, **msgspec.structs.asdict(wanted))]

    position = commands.carry_out(caller, "deploy_application", f"application/{new.name}", decide)
    assert position is not None, "deploying an application always has events"
    return position


def delete_application(commands: Commands, caller: Caller, name: str) -> int | None:
    """Give an application up; return the command's position, `None` when there was none.

    Raises:
        UnavailableError: Kafka did not answer or did not acknowledge.
    """

    def decide(consulted: Consulted) -> list[LogEvent]:
        application = consulted.application(name)
        if application.state is None:
            return []
        return [application.record(applications.ApplicationDeleted, name=name)]

    return commands.carry_out(caller, "delete_application", f"application/{name}", decide)
