"""`quick gateway …`: GraphQL gateways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

import rich_click as click
from click.exceptions import Exit

from cli.client import Manager, Why, failing_with, hint, in_path, shows_hints
from cli.command import Number, QuickCommand, QuickGroup
from cli.connection import CliError
from cli.moments import as_of_option
from cli.names import check_name
from cli.options import command_options, manager_options
from cli.output import change_text, counted, output_option, print_as, print_fields, print_names
from cli.text_files import TextFile, read_text

_MOST_HINTS = 10
"""Breaking changes that are told of at the end of a command."""

_NO_WHY = Why(None, None)

file_option = click.option(
    *("-f", "--file"), metavar="FILE", type=TextFile("-f/--file"), required=True, help="Schema; - for stdin."
)


class NotComparedError(CliError):
    """Raised when it is not known whether two schemas differ: 1 tells that they do."""

    exit_code = 2


@click.group(
    cls=QuickGroup,
    commands={
        "create": "cli.gateways:create",
        "delete": "cli.gateways:delete",
        "apply": "cli.gateways:apply",
        "list": "cli.gateways:list_gateways",
        "diff": "cli.gateways:diff",
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
@click.option("-s", "--schema", "file", metavar="FILE", type=TextFile("-s/--schema"), help="Schema; - for stdin.")
@command_options
@manager_options
def create(manager: Manager, name: str, replicas: int | None, tag: str | None, file: TextIO | None, why: Why) -> None:
    """Create a gateway."""
    check_name(name)
    settings = {"name": name, "replicas": replicas, "tag": tag, "schema": None if file is None else read_text(file)}
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
@file_option
@click.option("--dry-run", is_flag=True, help="Only check it, and tell what it would change.")
@click.option("--fail-on-breaking", is_flag=True, help="Refuse it when it breaks operations that work now.")
@command_options
@manager_options
def apply(manager: Manager, name: str, file: TextIO, why: Why, *, dry_run: bool, fail_on_breaking: bool) -> None:
    """Make a gateway serve a schema."""
    wanted = {"dryRun": dry_run, "failOnBreaking": fail_on_breaking, "report": not dry_run and shows_hints()}
    parameters = {name: "true" for name, is_wanted in wanted.items() if is_wanted}
    with failing_with(f"Could not apply schema to gateway: {name}"):
        found = manager.change("POST", _schema_path(name), {"schema": read_text(file)}, why=why, **parameters)
    if dry_run:
        _print_plan(name, found)
        return
    click.echo(f"Applied schema to gateway {name}")
    for line in _hints(found or {}):
        hint(line)


@click.command("diff", cls=QuickCommand)
@click.argument("name")
@file_option
@output_option
@manager_options
def diff(manager: Manager, name: str, file: TextIO, output: str | None) -> None:
    """Show what a schema would change, and change nothing.

    Exit code 0 tells that it is the one that is served, 1 that it is another one, and 2 that this is not known.
    """
    try:
        with failing_with(f"Could not compare the schema with that of gateway {name}"):
            found = manager.change("POST", _schema_path(name), {"schema": read_text(file)}, why=_NO_WHY, dryRun="true")
    except CliError as error:
        raise NotComparedError(error.format_message()) from error
    if output:
        print_as(output, found)
    else:
        for line in (*change_lines(found["changes"]), *(found["diff"] or "").splitlines()):
            click.echo(line)
        for warning in found["warnings"]:
            hint(f"Warning: {warning}")
    if found["changed"]:
        raise Exit(1)


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
    labels = {"name": "Name", "replicas": "Replicas", "tag": "Tag"}
    print_fields(found, labels, output)
    if output:
        return
    for line in _summary_of(found):
        click.echo(line)
    for warning in found.get("warnings", []):
        hint(f"Warning: {warning}")


@click.command("schema", cls=QuickCommand)
@click.argument("name")
@click.argument("type_name", metavar="[TYPE]", required=False)
@click.option("--avro", "form", flag_value="avro", help="The type as Avro.")
@click.option("--proto", "form", flag_value="protobuf", help="The type as Protobuf.")
@manager_options
def schema(manager: Manager, name: str, type_name: str | None, form: str | None) -> None:
    """Show a type as topics store it, or the whole schema as it was applied."""
    if type_name is None:
        if form is not None:
            raise click.UsageError("Please say which type is to be shown so: quick gateway schema NAME TYPE.")
        path, what = _schema_path(name), "the schema"
    else:
        path, what = f"{_schema_path(name)}/{in_path(type_name)}/{form or 'graphql'}", f"type {type_name}"
    with failing_with(f"Could not show {what} of gateway {name}", missing=_missing(name)):
        found = manager.get(path)
    click.echo(found["schema"], nl=type_name is not None or not found["schema"].endswith("\n"))


def change_lines(changes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each change of a schema, as the manager answers them."""
    for change in changes:
        text = " ".join(filter(None, (change["text"], change.get("wayOut"))))
        yield f"{change['severity']:<9} {change['coordinate']}: {text}"


def _print_plan(name: str, found: Mapping[str, Any]) -> None:
    """Print what would come of a schema, for who asks only for that."""
    if not found["changed"]:
        click.echo(f"Gateway {name} serves this schema already")
    else:
        for line in change_lines(found["changes"]):
            click.echo(line)
        click.echo(f"Would apply schema to gateway {name} ({counted(found['breaking'], 'breaking change')})")
    for warning in found["warnings"]:
        click.echo(f"Warning: {warning}", err=True)


def _hints(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what who has applied a schema should know: what it broke, and which topics are still to come."""
    broken = [change for change in found.get("changes", []) if change["severity"] == "breaking"]
    if broken:
        yield f"It has {counted(len(broken), 'breaking change')}:"
        yield from change_lines(broken[:_MOST_HINTS])
        if len(broken) > _MOST_HINTS:
            yield f"… and {len(broken) - _MOST_HINTS} more. To see all: quick log show POSITION"
    for warning in found.get("warnings", []):
        yield f"Warning: {warning}"


def _summary_of(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the original does not show: what the schema holds, and who applied it when."""
    if "types" in found:
        yield f"Types: {', '.join(found['types'])}"
    if "topics" in found:
        yield f"Topics: {', '.join(found['topics'])}"
    if (changed := found.get("changed")) is not None:
        yield f"Schema applied: {change_text(changed)}"


def _schema_path(name: str) -> str:
    return f"/gateway/{in_path(name)}/schema"


def _missing(name: str) -> str:
    return f"There is no gateway {name} created. Please create one using\n\t $ quick gateway create <NAME>"
