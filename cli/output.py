"""What commands print: text as scripts expect it, or the whole answer as JSON or YAML."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import rich_click as click

from cli.config import as_yaml


def output_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add `-o json|yaml`."""
    option = click.option("-o", "--output", type=click.Choice(["json", "yaml"]), help="Print the whole answer so.")
    return option(command)


def print_as(output: str, content: Any) -> None:
    """Print *content* as `json` or `yaml`."""
    text = as_yaml(content) if output == "yaml" else json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    click.echo(text, nl=False)


def counted(count: int, noun: str) -> str:
    """Return *count* with its noun: 1 command, 2 commands."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def change_text(changed: Mapping[str, Any]) -> str:
    """Return who changed a thing last, when and why, as the manager tells it."""
    reason = f": {changed['reason']}" if changed["reason"] else ""
    return f"{changed['time']} by {changed['actor'] or '-'}, position {changed['position']}{reason}"


def print_names(found: Sequence[Mapping[str, Any]], output: str | None) -> None:
    """Print the name of each thing a line, or all of them as *output* says."""
    if output:
        print_as(output, found)
        return
    for one in found:
        click.echo(one["name"])


def print_fields(found: Mapping[str, Any], labels: Mapping[str, str], output: str | None) -> None:
    """Print the fields of one thing, each behind its label, or the whole thing as *output* says."""
    if output:
        print_as(output, found)
        return
    for field, label in labels.items():
        click.echo(f"{label}: {found[field]}")


def print_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print *rows* in columns of their widest entries."""
    lines = [list(headers), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headers))]
    for line in lines:
        click.echo("   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
