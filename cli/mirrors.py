"""`quick mirror …`: mirrors."""

from __future__ import annotations

from collections.abc import Mapping

import rich_click as click

from cli.client import Manager, failing_with, in_path
from cli.command import QuickCommand, QuickGroup
from cli.moments import as_of_option
from cli.options import manager_options
from cli.output import output_option, print_fields, print_names


@click.group(
    cls=QuickGroup,
    commands={
        "create": "cli.not_available:mirror_command",
        "delete": "cli.not_available:mirror_command",
        "list": "cli.mirrors:list_mirrors",
        "describe": "cli.mirrors:describe",
    },
)
def mirror() -> None:
    """Mirrors: each topic has one of its own."""


@click.command("list", cls=QuickCommand)
@output_option
@as_of_option
@manager_options
def list_mirrors(manager: Manager, at: Mapping[str, str], output: str | None) -> None:
    """List the mirrors."""
    with failing_with("Could not list the mirrors"):
        found = manager.get("/mirrors", **at)
    print_names(found, output)


@click.command("describe", cls=QuickCommand)
@click.argument("name")
@output_option
@as_of_option
@manager_options
def describe(manager: Manager, name: str, at: Mapping[str, str], output: str | None) -> None:
    """Show a mirror."""
    missing = f"There is no mirror {name}. Each topic has one: quick topic create <NAME> -k <TYPE> -v <TYPE>"
    with failing_with(f"Could not describe mirror {name}", missing=missing):
        found = manager.get(f"/topic/{in_path(name)}/mirror", **at)
    labels = {"name": "Name", "topicName": "Topic", "replicas": "Replicas", "tag": "Tag"}
    print_fields(found, labels, output)
