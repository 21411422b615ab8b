"""`quick gateway …`: GraphQL gateways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO

import rich_click as click

from cli.client import Manager, Why, failing_with, hint, in_path
from cli.command import Number, QuickCommand, QuickGroup
from cli.moments import as_of_option
from cli.names import check_name
from cli.options import command_options, manager_options
from cli.output import output_option, print_fields, print_names


class SchemaFile(click.File):
    """A file with a schema, `-` for stdin; one that cannot be read is a mistake on the command line."""

    def __init__(self, flags: str) -> None:
        super().__init__("r", encoding="utf-8", lazy=False)
        self._flags = flags

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Open the file."""
        try:
            return super().convert(value, None, ctx)
        except click.BadParameter as error:
            reason = error.message.rpartition(": ")[2]
            raise click.UsageError(f"argument {self._flags}: can't open '{value}': {reason}", ctx) from error


@click.group(
    cls=QuickGroup,
    commands={
        "create": "cli.gateways:create",
        "delete": "cli.gateways:delete",
        "apply": "cli.gateways:apply",
        "list": "cli.gateways:list_gateways",
        "describe": "cli.gateways:describe",
        "schema": "cli.gateways:schema",
    },
)
def gateway() -> None:
    """GraphQL gateways."""


@click.command("create", cls=QuickCommand)
@click.argument("name")
@click.option("--replicas", type=Number(1), help="How many of it are to run.")
@click.option("--tag", help="Image tag.")
@click.option("-s", "--schema", "file", metavar="FILE", type=SchemaFile("-s/--schema"), help="Schema; - for stdin.")
@command_options
@manager_options
def create(manager: Manager, name: str, replicas: int | None, tag: str | None, file: TextIO | None, why: Why) -> None:
    """Create a gateway."""
    check_name(name)
    settings = {"name": name, "replicas": replicas, "tag": tag, "schema": None if file is None else _read(file)}
    body = {key: value for key, value in settings.items() if value is not None}
    with failing_with(f"Could not create gateway {name}"):
        manager.change("POST", "/gateway", body, why=why)
    click.echo(f"Create gateway {name} (this may take a few seconds)")


@click.command("delete", cls=QuickCommand)
@click.argument("name")
@command_options
@manager_options
def delete(manager: Manager, name: str, why: Why) -> None:
    """Delete a gateway."""
    with failing_with(f"Could not delete gateway {name}"):
        manager.change("DELETE", f"/gateway/{in_path(name)}", why=why)
    click.echo(f"Deleted gateway {name}")


@click.command("apply", cls=QuickCommand)
@click.argument("name")
@click.option(
    *("-f", "--file"), metavar="FILE", type=SchemaFile("-f/--file"), required=True, help="Schema; - for stdin."
)
@command_options
@manager_options
def apply(manager: Manager, name: str, file: TextIO, why: Why) -> None:
    """Make a gateway serve a schema."""
    with failing_with(f"Could not apply schema to gateway: {name}"):
        manager.change("POST", f"/gateway/{in_path(name)}/schema", {"schema": _read(file)}, why=why)
    click.echo(f"Applied schema to gateway {name}")


@click.command("list", cls=QuickCommand)
@output_option
@as_of_option
@manager_options
def list_gateways(manager: Manager, at: Mapping[str, str], output: str | None) -> None:
    """List the gateways."""
    missing = "There are no gateways created. Please create one using:\n\t $ quick gateway create <NAME>"
    with failing_with("Could not list the gateways", missing=missing):
        found = manager.get("/gateways", **at)
    print_names(found, output)


@click.command("describe", cls=QuickCommand)
@click.argument("name")
@output_option
@as_of_option
@manager_options
def describe(manager: Manager, name: str, at: Mapping[str, str], output: str | None) -> None:
    """Show a gateway."""
    with failing_with(f"Could not describe gateway {name}", missing=_missing(name)):
        found = manager.get(f"/gateway/{in_path(name)}", **at)
    print_fields(found, {"name": "Name", "replicas": "Replicas", "tag": "Tag"}, output)
    if not output:
        for warning in found.get("warnings", []):
            hint(f"Warning: {warning}")


@click.command("schema", cls=QuickCommand)
@click.argument("name")
@click.argument("type_name", metavar="TYPE")
@click.option("--avro", "form", flag_value="avro", help="As Avro.")
@manager_options
def schema(manager: Manager, name: str, type_name: str, form: str | None) -> None:
    """Show a type as topics store it."""
    with failing_with(f"Could not show type {type_name} of gateway {name}", missing=_missing(name)):
        found = manager.get(f"/gateway/{in_path(name)}/schema/{in_path(type_name)}/{form or 'graphql'}")
    click.echo(found["schema"])


def _missing(name: str) -> str:
    return f"There is no gateway {name} created. Please create one using\n\t $ quick gateway create <NAME>"


def _read(file: TextIO) -> str:
    try:
        return file.read()
    except UnicodeDecodeError as error:
        raise click.UsageError(f"The schema in {file.name} is not UTF-8: {error}") from error
