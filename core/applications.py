"""Applications as they are declared: images that process topics, run by Kubernetes beside Quick.

One is never altered: what is to run otherwise is deleted and deployed again, and so is another incarnation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import msgspec

from core.aggregates import LogEvent
from core.arguments import check_arguments
from core.errors import FoldError, InvalidInputError
from core.images import check_image, image
from core.names import check_name, check_secret_name

NOUN = "application"

MAX_REPLICAS: Final = 1000
"""Far more than any deployment runs; one more digit is most likely a slip."""

MAX_PORT: Final = 65_535


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """A declared application."""

    name: str
    registry: str
    """Where its image comes from: `bakdata`, `ghcr.io/bakdata`."""
    image_name: str
    tag: str
    replicas: int
    port: int | None
    """Port on which it answers requests; `None` for one that nobody asks, and that needs no Service."""
    image_pull_secret: str | None
    """Name of the Secret of the namespace that opens the registry."""
    arguments: dict[str, str]
    """What it is started with, by name, with `--` in front of it or without."""

    @property
    def image(self) -> str:
        """Return the whole name of its image."""
        return image(self.registry, self.image_name, self.tag)


@dataclass(frozen=True)
class ApplicationEvent(LogEvent):
    """Something that happened to an application."""

    noun: ClassVar[str] = NOUN

    name: str


@dataclass(frozen=True)
class ApplicationDeployed(ApplicationEvent):
    """An application was declared."""

    registry: str
    image_name: str
    tag: str
    replicas: int
    port: int | None
    image_pull_secret: str | None
    arguments: dict[str, str]


@dataclass(frozen=True)
class ApplicationDeleted(ApplicationEvent):
    """An application was given up; the topics that it wrote to stay."""


def fold(application: Application | None, event: LogEvent) -> Application | None:
    """Return *application* after *event*; `None` in means undeclared, `None` out means deleted."""
    match event:
        case ApplicationDeployed() if application is None:
            return Application(
                name=event.name,
                registry=event.registry,
                image_name=event.image_name,
                tag=event.tag,
                replicas=event.replicas,
                port=event.port,
                image_pull_secret=event.image_pull_secret,
                arguments=event.arguments,
            )
        case ApplicationDeleted() if application is not None:
            return None
    raise FoldError(
        f"{event} does not follow on {application}. The log was written by a program that disagrees with this one."
    )


def check_application(application: Application) -> None:
    """Refuse an application that Kubernetes would refuse, or try to start for ever.

    Raises:
        InvalidInputError: Says what of it cannot be used, and what it takes.
    """
    check_name("Application", application.name)
    check_image(application.registry, application.image_name, application.tag)
    if not 1 <= application.replicas <= MAX_REPLICAS:
        raise InvalidInputError(
            f"An application cannot have {application.replicas} replicas. Choose from 1 to {MAX_REPLICAS}."
        )
    if application.port is not None and not 1 <= application.port <= MAX_PORT:
        raise InvalidInputError(
            f"An application cannot answer on port {application.port}. Choose from 1 to {MAX_PORT}, or leave it out."
        )
    if application.image_pull_secret is not None:
        check_secret_name(application.image_pull_secret)
    check_arguments(application.arguments)
