"""`quick query`: an operation of GraphQL, sent to a gateway."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, TextIO

import rich_click as click

from cli.client import failing_with
from cli.command import QuickCommand, examples
from cli.connection import CliError
from cli.gateway_client import Gateways
from cli.options import gateway_options
from cli.output import output_option, print_as
from cli.text_files import TextFile, read_text

_EXAMPLES = (
    "quick query shop '{ product(id: 1) { name } }'",
    "quick query shop -f purchases.graphql --variables @variables.json",
    "echo '{ products { name } }' | quick query shop -",
)


@click.command("query", cls=QuickCommand, epilog=examples(*_EXAMPLES))
@click.argument("gateway")
@click.argument("text", metavar="[QUERY]", required=False)
@click.option("-f", "--file", metavar="FILE", type=TextFile("-f/--file"), help="File with the query; - for stdin.")
@click.option("--variables", metavar="JSON|@FILE", help="Values of its variables: a JSON object, or a file with one.")
@click.option("--operation", metavar="NAME", help="Which operation to execute, where there are several.")
@click.option("--at-least", metavar="TOKEN", help="Position of a write that the answer is to include.")
@output_option
@gateway_options
def query(
    gateways: Gateways,
    gateway: str,
    text: str | None,
    file: TextIO | None,
    variables: str | None,
    operation: str | None,
    at_least: str | None,
    output: str | None,
) -> None:
    """Print the data that a query asks for, as JSON: as it was sent, or indented on a terminal. QUERY - is stdin.

    Errors go to stderr, and exit with 1, also when there is some data.
    """
    wanted = {
        "query": _query(text, file),
        "variables": _variables(variables),
        "operationName": operation,
        "extensions": None if at_least is None else {"atLeast": at_least},
    }
    missing = f"There is no gateway {gateway}. To see which there are: quick gateway list"
    with failing_with(f"Could not query gateway {gateway}", missing=missing):
        answer, raw = gateways.execute(gateway, {name: part for name, part in wanted.items() if part is not None})
    if output:
        print_as(output, json.loads(raw))
    elif data := bytes(answer.data):
        _print_data(data)
    if answer.errors:
        raise CliError("\n".join(map(str, answer.errors)))


def _print_data(data: bytes) -> None:
    if sys.stdout.isatty():
        click.echo(json.dumps(json.loads(data), indent=2, ensure_ascii=False))
    else:
        click.echo(data)


def _query(text: str | None, file: TextIO | None) -> str:
    if (text is None) == (file is None):
        raise click.UsageError("Please write the query, or name a file with -f/--file: one of the two.")
    if text == "-":
        file = TextFile("QUERY").convert(text, None, None)
    read = text or "" if file is None else read_text(file, "query")
    if not read.strip():
        raise click.UsageError("The query is empty.")
    return read


def _variables(given: str | None) -> dict[str, Any] | None:
    if given is None:
        return None
    text = _content(given.removeprefix("@")) if given.startswith("@") else given
    try:
        variables = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"The variables are not JSON: {error}") from error
    if not isinstance(variables, dict):
        raise click.UsageError('The variables are no JSON object. Write them as {"name": value}.')
    return variables


def _content(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise click.UsageError(f"argument --variables: can't open '{path}': {reason}") from error
