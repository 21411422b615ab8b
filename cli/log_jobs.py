"""`quick log verify|export|restore`: long work on the whole log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import rich_click as click

from cli.client import CliError, Manager, failing_with, hint, manager_options
from cli.command import QuickCommand
from cli.output import output_option, print_as
from core.errors import QuickError
from core.log_export import LogExport

_PIECE_BYTES = 256 * 1024


@click.command("verify", cls=QuickCommand)
@output_option
@manager_options
def verify(manager: Manager, output: str | None) -> None:
    """Read the whole log again and check it; exit 1 names what is wrong, with topic, partition and offset."""
    findings: list[str] = []
    result: dict[str, Any] = {}
    with failing_with("Could not verify the log"):
        for line in manager.lines("GET", "/log/verify"):
            result = line.get("result", result)
            if "finding" in line:
                findings.append(line["finding"])
            elif "step" in line:
                hint(line["step"])
    if output:
        print_as(output, {"findings": findings, **{key: result[key] for key in result if key != "findings"}})
    else:
        for finding in findings:
            click.echo(finding)
    if findings:
        raise CliError(f"The log has {len(findings)} problem{'s' if len(findings) > 1 else ''}.")
    if not output:
        click.echo(f"The log is sound: {result['position']} events in {result['offset']} records.")


@click.command("export", cls=QuickCommand)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Read the index in this data folder, without a server: for one that cannot start.",
)
@click.option("--log-topic", default="__quick-log", show_default=True, help="The log's topic, with --data-dir.")
@manager_options
def export(manager: Manager, file: Path, data_dir: Path | None, log_topic: str) -> None:
    """Write the log to an Avro object container file, which any Avro tool reads; - is stdout."""
    with failing_with("Could not export the log"):
        if data_dir is None:
            with manager.stream("GET", "/log/export") as answer:
                count = _write(file, answer.iter_raw(_PIECE_BYTES))
        else:
            count = _write(file, _pieces_of(data_dir, log_topic))
    if str(file) != "-":
        click.echo(f"Exported {count} commands to {file}")


@click.command("restore", cls=QuickCommand)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Check the file and the cluster, and change nothing.")
@manager_options
def restore(manager: Manager, file: Path, *, dry_run: bool) -> None:
    """Restore an exported log into an empty cluster: the same positions, times and schema IDs."""
    result: dict[str, Any] = {}
    with failing_with("Could not restore the log"), file.open("rb") as opened:
        parameters = {"dryRun": "true"} if dry_run else {}
        for line in manager.lines("POST", "/log/restore", content=_pieces(opened), parameters=parameters):
            result = line.get("result", result)
            if "step" in line:
                hint(line["step"])
    what = (
        f"{result['commands']} commands up to position {result['last_position']},"
        f" with {result['topics']} topics and {result['gateways']} gateways"
    )
    if result["present"]:
        what += f" ({result['present']} of them were there already)"
    click.echo(f"Would restore {what}" if dry_run else f"Restored {what}")


def _write(file: Path, pieces: Iterator[bytes]) -> int:
    """Write *pieces* to *file*, whole or not at all; return the number of commands in it."""
    if str(file) == "-":
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return 0
    fresh = file.with_name(f"{file.name}.part")
    try:
        with fresh.open("wb") as out:
            for piece in pieces:
                out.write(piece)
        with fresh.open("rb") as written:
            count = sum(1 for _ in LogExport(written).commands())
        fresh.replace(file)
    except OSError as error:
        raise CliError(f"Cannot write {file}: {error.strerror}. Choose another file.") from error
    except QuickError as error:
        raise CliError(f"What came is not whole: {error}") from error
    finally:
        fresh.unlink(missing_ok=True)
    return count


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_PIECE_BYTES):
        yield piece


def _pieces_of(data_dir: Path, log_topic: str) -> Iterator[bytes]:
    """Yield the export of the index that lies in a data folder."""
    from core.log_export import export_log  # noqa: PLC0415 - what a client does not need otherwise
    from core.log_index import LogIndex  # noqa: PLC0415
    from projections.places import current, log_index_path  # noqa: PLC0415

    folder = current(data_dir)
    if folder is None:
        raise CliError(f"There is no index in {data_dir}: no Quick has ever run on it.")
    try:
        index = LogIndex(log_index_path(data_dir, log_topic, folder), log_topic, readonly=True)
    except QuickError as error:
        raise CliError(str(error)) from error
    try:
        yield from export_log(index, log_topic, folder.path.name)
    finally:
        index.close()
