"""`quick serve`: the processes of one role over a Kafka that runs already."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rich_click as click

from cli.command import Number, QuickCommand
from cli.instance import Instance, InstanceOptions, until_stopped
from core.kafka import wait_until_ready
from core.roles import Role

_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}")

KAFKA_TIMEOUT_S = 10.0
"""Longest wait for the first answer of a Kafka that runs already."""

DEFAULT_WORKERS = 2
"""Processes that answer requests: on a small machine two use both cores and stay well below 350 MB."""


def default_data_dir() -> Path:
    """Return the folder for what users keep: `$XDG_DATA_HOME/quick` or `~/.local/share/quick`."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "quick"


def server_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that `serve` and `up` share to *command*; `instance_options` takes what they give."""
    options = (
        click.option("--host", default="127.0.0.1", show_default=True, help="Interface to listen on."),
        click.option(
            "--port",
            type=Number(0, 65_535),
            default=8080,
            show_default=True,
            help="Port to listen on; 0 picks a free one.",
        ),
        click.option(
            "--data-dir",
            type=click.Path(path_type=Path),
            default=default_data_dir,
            envvar="QUICK_DATA_DIR",
            help="Folder for all data of this instance.  [default: ~/.local/share/quick]",
        ),
        click.option(
            "--workers",
            type=Number(1, 256),
            default=DEFAULT_WORKERS,
            show_default=True,
            help="Processes that answer requests.",
        ),
        click.option(
            "--api-key",
            envvar="QUICK_APIKEY",
            show_envvar=True,
            help="The administrator's key. Without one, a key is generated, kept in the data folder and shown.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def instance_options(**given: Any) -> InstanceOptions:
    """Return what the options of `server_options` say."""
    return InstanceOptions(**given)


def ready_text(instance: Instance, kafka: str) -> str:
    """Return where the instance is reached and where its things are. A key that was chosen is not shown."""
    key = f"API key: {instance.api_key}\n" if instance.has_generated_key else ""
    return f"Quick is ready at {instance.url}\n{key}Data:    {instance.data_dir}\nKafka:   {kafka}"


@click.command("serve", cls=QuickCommand)
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.ALL.value,
    show_default=True,
    help="What to serve.",
)
@click.option("--topic", metavar="TOPIC", help="The topic whose mirror to serve, with --role mirror.")
@click.option("--gateway", metavar="GATEWAY", help="The gateway to serve, with --role gateway.")
@click.option(
    "--management-port",
    type=Number(0, 65_535),
    help="Port for health and figures, which need no key there; 0 picks a free one.",
)
@click.option("--clean-up", is_flag=True, help="Remove what a mirror has left behind, and end; with --role mirror.")
@click.option(
    "--kafka",
    metavar="HOST:PORT",
    envvar="QUICK_KAFKA_BOOTSTRAP_SERVER",
    show_envvar=True,
    required=True,
    help="Kafka brokers to use.",
)
@server_options
def serve(
    role: str,
    topic: str | None,
    gateway: str | None,
    management_port: int | None,
    clean_up: bool,
    kafka: str,
    **options: Any,
) -> None:
    """Run the server over a Kafka that runs already, until it is told to stop.

    One role alone is what a pod serves. It waits for Kafka, and for the topic or the gateway that it is there for.
    """
    served = _served(Role(role), {"topic": topic, "gateway": gateway})
    if clean_up and role != Role.MIRROR:
        raise click.UsageError("--clean-up goes with --role mirror alone.")
    if role != Role.ALL and not options["api_key"]:
        raise click.UsageError("A role alone needs the key that all processes share. Give --api-key or QUICK_APIKEY.")
    with until_stopped():
        if clean_up:
            from cli.clean_up import clean_up_mirror  # noqa: PLC0415 - it needs what else only the children need

            clean_up_mirror(kafka, served or "", options["data_dir"], options["api_key"], say=click.echo)
            return
        given = instance_options(**options, role=Role(role), served=served, management_port=management_port)
        with Instance(given) as instance:
            if role == Role.ALL:
                wait_until_ready(kafka, KAFKA_TIMEOUT_S)
            instance.serve(kafka, broker=None, announce=lambda: click.echo(_served_text(instance, kafka, given)))


def _served(role: Role, given: dict[str, str | None]) -> str | None:
    """Return the one thing that a role is to serve.

    Raises:
        click.UsageError: It is not named, or a thing is named that the role does not serve.
    """
    for option, name in given.items():
        if name is not None and option != role.option:
            raise click.UsageError(f"--{option} does not go with --role {role}.")
        if name and not _NAME.fullmatch(name):
            raise click.UsageError(f"No {option} can be called {name!r}. Names have letters, digits, '.', '_' and '-'.")
    if role.option is not None and not given[role.option]:
        raise click.UsageError(f"--role {role} needs --{role.option}.")
    return None if role.option is None else given[role.option]


def _served_text(instance: Instance, kafka: str, options: InstanceOptions) -> str:
    if options.role is Role.ALL:
        text = ready_text(instance, kafka)
    else:
        what = options.role if options.served is None else f"{options.role} {options.served}"
        text = f"Quick serves the {what} at {instance.url}"
    return text if instance.management_url is None else f"{text}\nHealth:  {instance.management_url}/health"
