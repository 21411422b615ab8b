"""`quick mirror …`: mirrors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import rich_click as click

from cli import mirror_status
from cli.client import Manager, Why, failing_with, hint, in_path
from cli.command import GreedyOption, Number, QuickCommand, QuickGroup
from cli.durations import Duration
from cli.mirror_client import Mirrors
from cli.mirror_options import INDEX, RANGE_FIELD, RANGE_KEY, RETENTION_TIME, definition_options
from cli.moments import as_of_option
from cli.options import command_options, manager_and_mirror_options, manager_options
from cli.output import output_option, print_fields, print_names, print_table


@click.group(
    cls=QuickGroup,
    commands={
        "create": "cli.mirrors:create",
        "delete": "cli.mirrors:delete",
        "alter": "cli.mirrors:alter",
        "rebuild": "cli.mirrors:rebuild",
        "list": "cli.mirrors:list_mirrors",
        "describe": "cli.mirrors:describe",
    },
)
def mirror() -> None:
    """Mirrors: what can be read of topics. Each topic has one, unless it was deleted."""


@click.command("create", cls=QuickCommand)
@click.argument("topic")
@click.option("--tag", help="Image tag.")
@click.option("--replicas", type=Number(1), help="How many of it are to run.")
@definition_options
@command_options
@manager_options
def create(
    manager: Manager, topic: str, tag: str | None, replicas: int | None, arguments: Mapping[str, Any], why: Why
) -> None:
    """Create the mirror of a topic that has none."""
    chosen = {"replicas": replicas, "tag": tag, "mirrorArguments": arguments or None}
    body = {"name": topic, "topicName": topic} | {name: value for name, value in chosen.items() if value is not None}
    with failing_with(f"Could not create mirror for topic {topic}"):
        manager.change("POST", "/topic/mirror", body, why=why)
    click.echo(f"Create mirror for topic {topic} (this may take a few seconds)")


@click.command("delete", cls=QuickCommand)
@click.argument("topics", metavar="TOPIC…", nargs=-1, required=True)
@command_options
@manager_options
def delete(manager: Manager, topics: tuple[str, ...], why: Why) -> None:
    """Delete mirrors. Their topics stay and can be written, but no longer read."""
    _check_command_id(topics, why)
    for topic in topics:
        with failing_with(f"Could not delete mirror {topic}"):
            manager.change("DELETE", f"/topic/{in_path(topic)}/mirror", why=why)
        click.echo(f"Deleted mirror {topic}")


@click.command("alter", cls=QuickCommand)
@click.argument("topic")
@click.option("--index", "add_indexes", cls=GreedyOption, metavar="FIELD…", help=f"{INDEX} Added to those that it has.")
@click.option("--drop-index", "drop_indexes", cls=GreedyOption, metavar="FIELD…", help="Indexes to do without.")
@click.option("--range-field", metavar="FIELD", help=RANGE_FIELD)
@click.option("--no-range-field", is_flag=True, help="Keep the last value of each key alone.")
@click.option("--range-key", metavar="FIELD", help=RANGE_KEY)
@click.option("--no-range-key", is_flag=True, help="Ask for ranges by the key of the topic.")
@click.option("--retention-time", type=Duration(), metavar="DURATION", help=RETENTION_TIME)
@click.option("--no-retention-time", is_flag=True, help="Keep records for ever.")
@command_options
@manager_options
def alter(
    manager: Manager,
    topic: str,
    add_indexes: tuple[str, ...],
    drop_indexes: tuple[str, ...],
    why: Why,
    **options: Any,
) -> None:
    """Let a mirror keep something else. It goes on to answer as before until it is built as it is to be."""
    lists = {"addIndexes": list(add_indexes), "dropIndexes": list(drop_indexes)}
    body = {name: fields for name, fields in lists.items() if fields} | dict(_changes(options))
    if not body:
        raise click.UsageError("Please say what the mirror is to keep, as in --index FIELD.")
    with failing_with(f"Could not alter mirror {topic}"):
        manager.change("PATCH", f"/topic/{in_path(topic)}/mirror", body, why=why)
    click.echo(f"Altered mirror {topic}")
    hint(f"It is built beside the one that answers meanwhile. To look: quick mirror describe {topic}")


@click.command("rebuild", cls=QuickCommand)
@click.argument("topics", metavar="TOPIC…", nargs=-1, required=True)
@command_options
@manager_options
def rebuild(manager: Manager, topics: tuple[str, ...], why: Why) -> None:
    """Have mirrors built again from their topics, beside those that answer meanwhile."""
    _check_command_id(topics, why)
    for topic in topics:
        with failing_with(f"Could not rebuild mirror {topic}"):
            manager.change("POST", f"/topic/{in_path(topic)}/mirror/rebuild", why=why)
        click.echo(f"Rebuild mirror {topic} (the present one answers meanwhile)")


@click.command("list", cls=QuickCommand)
@click.option("--status", "shows_status", is_flag=True, help="Show how each one stands now.")
@output_option
@as_of_option
@manager_and_mirror_options
def list_mirrors(
    manager: Manager, mirrors: Mirrors, at: Mapping[str, str], output: str | None, *, shows_status: bool
) -> None:
    """List the mirrors."""
    if shows_status and (at or output):
        raise click.UsageError("--status tells how the mirrors stand now, as a table: leave out --as-of and -o.")
    with failing_with("Could not list the mirrors"):
        found = manager.get("/mirrors", **at)
    if not shows_status:
        print_names(found, output)
        return
    rows = [(one["name"], *mirror_status.row(mirrors, one["topicName"])) for one in found]
    print_table(("NAME", *mirror_status.HEADERS), rows)


@click.command("describe", cls=QuickCommand)
@click.argument("name")
@output_option
@as_of_option
@manager_and_mirror_options
def describe(manager: Manager, mirrors: Mirrors, name: str, at: Mapping[str, str], output: str | None) -> None:
    """Show a mirror, what it is declared to keep, and how it stands now."""
    missing = f"There is no mirror {name}. Create one for its topic: quick mirror create <TOPIC>"
    with failing_with(f"Could not describe mirror {name}", missing=missing):
        found = manager.get(f"/topic/{in_path(name)}/mirror", **at)
    labels = {"name": "Name", "topicName": "Topic", "replicas": "Replicas", "tag": "Tag"}
    print_fields(found, labels, output)
    if not output:
        for line in _kept(found):
            click.echo(line)
        if not at:
            for line in mirror_status.lines(mirrors, found["topicName"]):
                click.echo(line)
        for warning in found.get("warnings", []):
            hint(f"Warning: {warning}")


def _kept(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a mirror keeps beside the last values, or instead of them."""
    labels = {"rangeField": "Range Field", "rangeKey": "Range Key", "retentionTime": "Retention Time"}
    for field, label in labels.items():
        if field in found:
            yield f"{label}: {found[field]}"
    if found.get("indexes"):
        yield f"Indexes: {', '.join(found['indexes'])}"


def _changes(options: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Yield the fields of a change: a value, or `None` for what the mirror is to do without."""
    for field, wire_name in (
        ("range_field", "rangeField"),
        ("range_key", "rangeKey"),
        ("retention_time", "retentionTime"),
    ):
        value, is_taken_away = options[field], options[f"no_{field}"]
        if value is not None and is_taken_away:
            option = field.replace("_", "-")
            raise click.UsageError(f"--{option} and --no-{option} exclude each other.")
        if value is not None or is_taken_away:
            yield wire_name, value


def _check_command_id(topics: tuple[str, ...], why: Why) -> None:
    if why.command_id is not None and len(topics) > 1:
        raise click.UsageError("--command-id is that of one command: name one topic with it.")
