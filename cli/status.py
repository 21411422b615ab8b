"""`quick status`: what is declared beside what is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import rich_click as click

from cli.client import Manager, failing_with
from cli.command import QuickCommand
from cli.options import manager_options
from cli.output import output_option, print_as, print_table

_HEADERS: Final = ("KIND", "NAME", "STATE", "READY", "POSITION")


@click.command("status", cls=QuickCommand)
@output_option
@manager_options
def status(manager: Manager, output: str | None) -> None:
    """Show how far everything is that is declared: in Kafka, and where Kubernetes runs it, in the cluster.

    What is wrong, and what others have changed, stands below the table. A thing without a state is served by the
    manager's own machine.
    """
    with failing_with("Could not read the status"):
        found = manager.get("/status")
    if output:
        print_as(output, found)
        return
    print_table(_HEADERS, [_row(thing) for thing in found["things"]])
    for problem in found["problems"]:
        click.echo(f"! {problem}")
    for thing in found["things"]:
        for text in (thing["reason"], *(f"changed by others: {drift}" for drift in thing["drifts"])):
            if text:
                click.echo(f"! {thing['noun']} {thing['name']}: {text}")


def _row(thing: Mapping[str, Any]) -> tuple[object, ...]:
    ready = "-" if thing["replicas"] is None else f"{thing['ready']}/{thing['replicas']}"
    position = "-" if thing["position"] is None else thing["position"]
    return thing["noun"], thing["name"], thing["state"] or "-", ready, position
