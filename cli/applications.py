"""`quick app …`: applications that process topics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import rich_click as click

from cli.client import Manager, Why, failing_with, hint, in_path
from cli.command import GreedyOption, Number, QuickCommand, QuickGroup, examples
from cli.moments import as_of_option
from cli.names import check_name
from cli.options import command_options, manager_options
from cli.output import change_text, output_option, print_as, print_names

_MAX_PORT = 65_535

_WHERE_IT_RUNS = "Applications run only where Quick runs in Kubernetes; elsewhere they are only recorded."

_DEPLOY = "quick app deploy <NAME> --registry <REGISTRY> --image <IMAGE> --tag <TAG>"

_EXAMPLE = (
    "quick app deploy counter --registry bakdata --image quick-demo-tinyurl --tag 1.0.0"
    " --args input-topics=clicks output-topic=counts"
)


@click.group(
    cls=QuickGroup,
    commands={
        "deploy": "cli.applications:deploy",
        "delete": "cli.applications:delete",
        "list": "cli.applications:list_applications",
        "describe": "cli.applications:describe",
    },
)
def app() -> None:
    """Applications that process topics, run by Kubernetes beside Quick."""


@click.command("deploy", cls=QuickCommand, epilog=examples(_EXAMPLE))
@click.argument("name")
@click.option("--registry", required=True, help="Registry of the image: bakdata, ghcr.io/bakdata.")
@click.option("--image", required=True, help="Name of the image.")
@click.option("--tag", required=True, help="Tag of the image.")
@click.option("--image-pull-secret", metavar="SECRET", help="Secret of the namespace that opens the registry.")
@click.option("--replicas", type=Number(1), help="How many of it are to run.")
@click.option("--port", type=Number(1, _MAX_PORT), help="Port on which it answers; with one, it has a Service.")
@click.option(
    "--args", "arguments", cls=GreedyOption, metavar="KEY=VALUE…", help="Its arguments: --KEY=VALUE for each."
)
@command_options
@manager_options
def deploy(manager: Manager, name: str, arguments: tuple[str, ...], why: Why, **options: Any) -> None:
    """Deploy an application."""
    check_name(name)
    chosen = {**options, "arguments": dict(map(_argument, arguments)) or None}
    body = {"name": name} | {_wire_name(option): value for option, value in chosen.items() if value is not None}
    with failing_with(f"Could not create application: {name}"):
        manager.change("POST", "/application", body, why=why)
    click.echo(f"Deployed application {name}")
    hint(_WHERE_IT_RUNS)


@click.command("delete", cls=QuickCommand)
@click.argument("name")
@command_options
@manager_options
def delete(manager: Manager, name: str, why: Why) -> None:
    """Delete an application. The topics that it wrote to stay."""
    with failing_with(f"Could not delete application {name}"):
        manager.change("DELETE", f"/application/{in_path(name)}", why=why)
    click.echo(f"Deleted application {name}")


@click.command("list", cls=QuickCommand)
@output_option
@as_of_option
@manager_options
def list_applications(manager: Manager, at: Mapping[str, str], output: str | None) -> None:
    """List the applications."""
    with failing_with("Could not list the applications"):
        found = manager.get("/applications", **at)
    print_names(found, output)


@click.command("describe", cls=QuickCommand)
@click.argument("name")
@output_option
@as_of_option
@manager_options
def describe(manager: Manager, name: str, at: Mapping[str, str], output: str | None) -> None:
    """Show an application, as it is declared."""
    missing = f"There is no application {name} deployed. Please deploy one using\n\t $ {_DEPLOY}"
    with failing_with(f"Could not describe application {name}", missing=missing):
        found = manager.get(f"/application/{in_path(name)}", **at)
    if output:
        print_as(output, found)
        return
    for line in _lines(found):
        click.echo(line)
    hint(_WHERE_IT_RUNS)


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"Name: {found['name']}"
    yield f"Image: {found['registry']}/{found['imageName']}:{found['tag']}"
    yield f"Replicas: {found['replicas']}"
    for field, label in (("port", "Port"), ("imagePullSecret", "Image Pull Secret")):
        if field in found:
            yield f"{label}: {found[field]}"
    for key, value in found["arguments"].items():
        yield f"Argument: {key}={value}"
    if (deployed := found.get("deployed")) is not None:
        yield f"Deployed: {change_text(deployed)}"


def _wire_name(option: str) -> str:
    return {"image": "imageName", "image_pull_secret": "imagePullSecret"}.get(option, option)


def _argument(text: str) -> tuple[str, str]:
    key, is_given, value = text.partition("=")
    if not key or not is_given:
        raise click.UsageError(f"Please specify arguments as: KEY=VALUE, and not {text!r}.")
    return key, value
