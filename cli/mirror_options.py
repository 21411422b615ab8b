"""Options that say what a mirror keeps, for the commands that declare one: `mirror create` and `topic create`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import rich_click as click

from cli.command import GreedyOption
from cli.durations import Duration

RETENTION_TIME = "How long the mirror keeps a record after its time: 10m, 90d, PT10M."
RANGE_FIELD = "Field of the values by which the records of a key can be asked for ranges; the mirror keeps all of them."
RANGE_KEY = "Field of the values that takes the place of the key in those ranges."
INDEX = "Fields of the values by which keys are found."


def definition_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options; passed as `arguments`, the manager's mirror arguments without what is left out."""

    @functools.wraps(command)
    def with_arguments(
        *,
        retention_time: str | None,
        range_field: str | None,
        range_key: str | None,
        indexes: tuple[str, ...],
        **options: Any,
    ) -> None:
        arguments = {"retentionTime": retention_time, "rangeField": range_field, "rangeKey": range_key}
        given = {name: value for name, value in arguments.items() if value is not None}
        command(arguments=given | ({"indexes": list(indexes)} if indexes else {}), **options)

    for add in (
        click.option("--index", "indexes", cls=GreedyOption, metavar="FIELD…", help=INDEX),
        click.option("--range-key", metavar="FIELD", help=RANGE_KEY),
        click.option("--range-field", metavar="FIELD", help=RANGE_FIELD),
        click.option(
            "--retention-time", type=Duration(), metavar="DURATION", help=f"{RETENTION_TIME} For ever, if not said."
        ),
    ):
        with_arguments = add(with_arguments)
    return with_arguments
