"""`quick topic …`: topics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import rich_click as click

from cli.client import Manager, Why, failing_with, in_path
from cli.command import Number, QuickCommand, QuickGroup
from cli.mirror_options import definition_options
from cli.moments import as_of_option
from cli.names import check_name
from cli.options import command_options, manager_options
from cli.output import output_option, print_fields, print_names

_FORMATS = click.Choice(["avro", "protobuf"], case_sensitive=False)
_TYPES = click.Choice(["int", "long", "string", "double", "schema"], case_sensitive=False)


@click.group(
    cls=QuickGroup,
    commands={
        "create": "cli.topics:create",
        "delete": "cli.topics:delete",
        "list": "cli.topics:list_topics",
        "describe": "cli.topics:describe",
        "schema": "cli.topics:schema",
    },
)
def topic() -> None:
    """Topics, each with its mirror."""


@click.command("create", cls=QuickCommand)
@click.argument("name")
@click.option(
    # `--key` was a prefix of --key-type alone before there was --key-schema, and scripts use it.
    "-k",
    "--key",
    "--key-type",
    "key_type",
    type=_TYPES,
    required=True,
    help="Type of the keys.",
)
@click.option("-v", "--value-type", type=_TYPES, required=True, help="Type of the values.")
@click.option("-s", "--schema", metavar="GATEWAY.TYPE", help="Type of a gateway's schema, for values of type schema.")
@click.option("--key-schema", metavar="GATEWAY.TYPE", help="Type of a gateway's schema, for keys of type schema.")
@click.option("--format", "schema_format", type=_FORMATS, help="How records of type schema are stored.")
@click.option("--partitions", type=Number(min=1), metavar="N", help="Partitions of the Kafka topic.")
@click.option("--config", multiple=True, metavar="KEY=VALUE", help="Setting of the Kafka topic; may be repeated.")
@click.option("--immutable", is_flag=True, help="Let the first record of a key win.")
@definition_options
@command_options
@manager_options
def create(manager: Manager, name: str, why: Why, **options: Any) -> None:
    """Create a topic with its mirror."""
    check_name(name)
    body = _body(**options)
    types = {"keyType": _wire_type(options["key_type"]), "valueType": _wire_type(options["value_type"])}
    with failing_with(f"Could not create new topic: {name}"):
        manager.change("POST", f"/topic/{in_path(name)}", body, why=why, **types)
    click.echo(f"Created new topic {name}")


@click.command("delete", cls=QuickCommand)
@click.argument("name")
@command_options
@manager_options
def delete(manager: Manager, name: str, why: Why) -> None:
    """Delete a topic with its records and its mirror."""
    with failing_with(f"Could not delete topic {name}"):
        manager.change("DELETE", f"/topic/{in_path(name)}", why=why)
    click.echo(f"Deleted topic {name}")


@click.command("list", cls=QuickCommand)
@output_option
@as_of_option
@manager_options
def list_topics(manager: Manager, at: Mapping[str, str], output: str | None) -> None:
    """List the topics."""
    missing = (
        "There are no topics registered. Please create one using: \n\t $ quick topic create <NAME> -k <TYPE> -v <TYPE>"
    )
    with failing_with("Could not list the topics", missing=missing):
        found = manager.get("/topics", **at)
    print_names(found, output)


@click.command("describe", cls=QuickCommand)
@click.argument("name")
@output_option
@as_of_option
@manager_options
def describe(manager: Manager, name: str, at: Mapping[str, str], output: str | None) -> None:
    """Show a topic."""
    missing = (
        f"There is no topic {name} registered. Please create one: "
        "\n\t $ using quick topic create <NAME> -k <TYPE> -v <TYPE>"
    )
    with failing_with(f"Could not describe topic {name}", missing=missing):
        found = manager.get(f"/topic/{in_path(name)}", **at)
    labels = {"name": "Name", "keyType": "Key Type", "valueType": "Value Type", "writeType": "Write Type"}
    more = {
        "format": "Format",
        "schemaId": "Schema ID",
        "schemaVersion": "Schema Version",
        "keySchemaId": "Key Schema ID",
        "keySchemaVersion": "Key Schema Version",
    }
    labels |= {field: label for field, label in more.items() if field in found}
    print_fields(found, labels, output)
    if not output:
        click.echo("".join(_more_of(found)), nl=False)


def _more_of(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the original does not show, then the schema as it does; a manager of before has less to show."""
    if "partitions" in found:
        yield f"Partitions: {found['partitions']}\n"
    for setting, value in sorted(found.get("config", {}).items()):
        yield f"Config: {setting}={value}\n"
    for field, label in (("keySchema", "Key Schema"), ("schema", "Schema")):
        if found.get(field):
            yield f"{label}:\n{found[field]}\n"


@click.command("schema", cls=QuickCommand)
@click.argument("topic_name", metavar="TOPIC")
@click.argument("type_name", metavar="GATEWAY.TYPE")
@click.option("--key", is_flag=True, help="Change the schema of the keys, not of the values.")
@click.option("--dry-run", is_flag=True, help="Check whether it goes with the earlier ones, and change nothing.")
@command_options
@manager_options
def schema(manager: Manager, topic_name: str, type_name: str, *, key: bool, dry_run: bool, why: Why) -> None:
    """Write new records of a topic with another type, or with a type as its gateway has it now."""
    body = {**_schema_reference(type_name, "Please specify a type."), "side": "key" if key else "value"}
    parameters = {"dryRun": "true"} if dry_run else {}
    with failing_with(f"Could not change the schema of topic {topic_name}"):
        found = manager.change("POST", f"/topic/{in_path(topic_name)}/schema", body, why=why, **parameters)
    known = (("version", found.get("schemaVersion")), ("id", found.get("schemaId")))
    numbers = ", ".join(f"{what} {number}" for what, number in known if number is not None)
    what = f"schema of topic {topic_name}"
    if not found["changed"]:
        click.echo(f"The {what} is {type_name} already ({numbers})")
    elif dry_run:
        click.echo(f"Would change the {what} to {type_name}")
    else:
        click.echo(f"Changed the {what} to {type_name} ({numbers})")


def _body(
    *,
    key_type: str,
    value_type: str,
    schema: str | None,
    key_schema: str | None,
    schema_format: str | None,
    partitions: int | None,
    config: tuple[str, ...],
    immutable: bool,
    arguments: Mapping[str, Any],
) -> dict[str, Any]:
    _check_arguments(arguments)
    body: dict[str, Any] = {"writeType": "IMMUTABLE" if immutable else "MUTABLE"}
    if value_type == "schema":
        body["valueSchema"] = _schema_reference(schema, "Please specify a schema with -s/--schema.")
    if key_type == "schema":
        body["keySchema"] = _schema_reference(key_schema, "Please specify a key schema with --key-schema.")
    chosen = {"format": schema_format, "partitions": partitions, "config": dict(map(_setting, config)) or None}
    body |= {name: value for name, value in chosen.items() if value is not None}
    if arguments:
        body["mirrorArguments"] = arguments
    return body


def _check_arguments(arguments: Mapping[str, Any]) -> None:
    """Refuse what does not go together; the manager would refuse it too, and this is a mistake on the command line."""
    for name, option in (("rangeField", "--range-field"), ("indexes", "--index")):
        if name in arguments and "retentionTime" in arguments:
            raise click.UsageError(f"The {option} option must not be specified when --retention-time is set")
    if "rangeKey" in arguments and "rangeField" not in arguments:
        raise click.UsageError("The --range-key can be set only when a --range-field is set")


def _setting(text: str) -> tuple[str, str]:
    name, is_given, value = text.partition("=")
    if not name or not is_given:
        raise click.UsageError(f"Please specify settings as: KEY=VALUE, and not {text!r}.")
    return name, value


def _schema_reference(schema: str | None, missing: str) -> dict[str, str]:
    if schema is None:
        raise click.UsageError(missing)
    gateway, dot, type_name = schema.partition(".")
    if not (gateway and dot and type_name) or "." in type_name:
        raise click.UsageError("Please specify schema as: GATEWAY.TYPE")
    return {"gateway": gateway, "type": type_name}


def _wire_type(name: str) -> str:
    return "integer" if name == "int" else name
