"""`quick get` and `quick range`: values of a topic, from its mirror."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import rich_click as click

from cli.client import failing_with
from cli.command import Number, NumbersCommand, examples
from cli.connection import CliError
from cli.mirror_client import Mirrors
from cli.options import mirror_options
from cli.output import output_option, print_as

_GET_EXAMPLES = (
    "quick get product 123 456",
    "quick get temperature -5",
    'quick get route \'{"from": "FRA", "to": "JFK"}\' -o yaml',
)
_RANGE_EXAMPLES = (
    "quick range flight D-AIBL --from 1700000000 --to 1700003600",
    "quick range flight D-AIBL --gte 1700000000 --reverse --limit 1",
)

_BOUNDS = (
    ("from", "Lower bound, included; goes with --to alone."),
    ("to", "Upper bound, not included; goes with --from alone."),
    ("gte", "Lower bound, included."),
    ("gt", "Lower bound, not included."),
    ("lte", "Upper bound, included."),
    ("lt", "Upper bound, not included."),
)


def _bounds_options(command: Callable[..., None]) -> Callable[..., None]:
    for name, text in reversed(_BOUNDS):
        command = click.option(f"--{name}", f"bound_{name}", metavar="VALUE", help=text)(command)
    return command


@click.command("get", cls=NumbersCommand, epilog=examples(*_GET_EXAMPLES))
@click.argument("topic")
@click.argument("keys", metavar="KEY…", nargs=-1, required=True)
@output_option
@mirror_options
def get(mirrors: Mirrors, topic: str, keys: tuple[str, ...], output: str | None) -> None:
    """Print the values of keys, as JSON, one a line. A key of type schema is written as JSON.

    Exits with 1 when a key does not exist.
    """
    with failing_with(f"Could not read from topic {topic}"), mirrors.of(topic) as mirror:
        found = mirror.values(keys)
    _print_values([value for value in found.value if bytes(value) != b"null"], output, whole=found)
    if found.missing:
        names = ", ".join(found.missing)
        raise CliError(f"Topic {topic} has no value under: {names}")


@click.command("range", cls=NumbersCommand, epilog=examples(*_RANGE_EXAMPLES))
@click.argument("topic")
@click.argument("key")
@_bounds_options
@click.option("--reverse", is_flag=True, help="From the high end down.")
@click.option("--limit", type=Number(1), help="Most values.")
@output_option
@mirror_options
def range_(
    mirrors: Mirrors,
    topic: str,
    key: str,
    output: str | None,
    *,
    reverse: bool,
    limit: int | None,
    **bounds: str | None,
) -> None:
    """Print the values of a key within bounds of the mirror's range field, in its order, as JSON, one a line.

    In a mirror with a range key, KEY is a value of that field.
    """
    parameters = {name.removeprefix("bound_"): bound for name, bound in bounds.items() if bound is not None}
    if reverse:
        parameters["reverse"] = "true"
    if limit is not None:
        parameters["limit"] = str(limit)
    with failing_with(f"Could not read a range of topic {topic}"), mirrors.of(topic) as mirror:
        values = mirror.range(key, parameters)
    _print_values(values, output, whole={"value": values})


def _print_values(values: list[msgspec.Raw], output: str | None, *, whole: Any) -> None:
    if output:
        print_as(output, msgspec.json.decode(msgspec.json.encode(whole)))
        return
    for value in values:
        click.echo(bytes(value))
