"""Prefixes and greedy options, which rich-click lacks."""

from __future__ import annotations

from typing import Any

import pytest
import rich_click as click
from click.testing import CliRunner

from cli.command import GreedyOption, QuickCommand


@click.command(cls=QuickCommand)
@click.argument("name")
@click.option("-k", "--key", "--key-type", "key_type")
@click.option("--key-schema")
@click.option("--value-type")
@click.option("--verbose", is_flag=True)
@click.option("--args", cls=GreedyOption)
def command(**options: Any) -> None:
    """Print what was understood."""
    click.echo(repr({name: value for name, value in sorted(options.items()) if value}))


@pytest.mark.parametrize(
    ("arguments", "understood"),
    [
        (["n", "--key", "int"], {"key_type": "int", "name": "n"}),
        (["n", "--key=int"], {"key_type": "int", "name": "n"}),
        (["n", "--key-t", "int"], {"key_type": "int", "name": "n"}),
        (["n", "--key-s", "a.B"], {"key_schema": "a.B", "name": "n"}),
        (["n", "--key-schema=a.B", "--key", "int"], {"key_schema": "a.B", "key_type": "int", "name": "n"}),
        (["--val", "int", "n"], {"name": "n", "value_type": "int"}),
        (["-k", "--verbose", "n"], {"key_type": "--verbose", "name": "n"}),
        (["--verb", "n"], {"name": "n", "verbose": True}),
        (["--", "--key"], {"name": "--key"}),
        (["n", "--args", "a=1", "b=2", "--verbose"], {"args": ("a=1", "b=2"), "name": "n", "verbose": True}),
        (["n", "--args=a=1", "b=2"], {"args": ("a=1", "b=2"), "name": "n"}),
    ],
)
def test_options_are_understood(arguments: list[str], understood: dict[str, Any]) -> None:
    done = CliRunner().invoke(command, arguments)
    assert (0, f"{understood!r}\n") == (done.exit_code, done.output)


def test_an_ambiguous_prefix_is_refused() -> None:
    with pytest.raises(click.UsageError, match="could be --value-type, --verbose"):
        command.main(["n", "--v", "x"], standalone_mode=False)
