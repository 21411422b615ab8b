"""`quick serve`: the processes of one role over a Kafka that runs already."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rich_click as click

from cli.command import Number, QuickCommand
from cli.instance import Instance, InstanceOptions, until_stopped
from core.errors import NotAvailableYetError
from core.kafka import wait_until_ready

ROLES = ("all", "manager", "ingest", "mirror", "gateway", "schema-registry")

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
@click.option("--role", type=click.Choice(ROLES), default="all", show_default=True, help="Which services to run.")
@click.option(
    "--kafka",
    metavar="HOST:PORT",
    envvar="QUICK_KAFKA_BOOTSTRAP_SERVER",
    show_envvar=True,
    required=True,
    help="Kafka brokers to use.",
)
@server_options
def serve(role: str, kafka: str, **options: Any) -> None:
    """Run the server over a Kafka that runs already, until it is told to stop."""
    with until_stopped():
        if role != "all":
            raise NotAvailableYetError(
                f"The role {role} cannot be served alone yet. Use --role all, which serves everything."
            )
        with Instance(instance_options(**options)) as instance:
            wait_until_ready(kafka, KAFKA_TIMEOUT_S)
            instance.serve(kafka, broker=None, announce=lambda: click.echo(ready_text(instance, kafka)))
