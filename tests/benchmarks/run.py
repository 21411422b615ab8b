"""`make bench`: what Quick costs, beside raw limits of the same run. Prints a table; asserts nothing.

Without arguments all parts run but those that take minutes; with arguments those that are named. Machines differ and
are shared: read the ratios, and compare figures of one run only.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import bench_append
import bench_gateway
import bench_gateway_inside
import bench_ingest
import bench_log
import bench_many_mirrors
import bench_mirror
import bench_mirror_reads
import bench_rebuild
import bench_reconcile
import bench_up
import bench_visibility

from cli.local_kafka import LocalKafka

Measure = Callable[[str, Path], Iterator[tuple[str, str, str, str, str]]]

PARTS: dict[str, Measure] = {
    "mirror": bench_mirror.measure,
    "reads": bench_mirror_reads.measure,
    "visibility": bench_visibility.measure,
    "append": bench_append.measure,
    "ingest": bench_ingest.measure,
    "log": bench_log.measure,
    "up": bench_up.measure,
}

LONG_PARTS: dict[str, Measure] = {
    "rebuild": bench_rebuild.measure,
    "many-mirrors": bench_many_mirrors.measure,
    "gateway": bench_gateway.measure,
    "gateway-inside": bench_gateway_inside.measure,
    "reconcile": bench_reconcile.measure,
}
"""Parts that run only when they are named."""

console = Console(highlight=False, width=110)


def main(names: list[str]) -> int:
    """Run the parts of these *names*; return the exit code."""
    unknown = [name for name in names if name not in PARTS | LONG_PARTS]
    if unknown:
        known = ", ".join(PARTS | LONG_PARTS)
        console.print(f"There is no part {', '.join(unknown)}. The parts are: {known}.")
        return 2
    table = Table("what", "figure", "beside", "ratio", "wanted", title="make bench")
    with (
        tempfile.TemporaryDirectory(prefix="quick-bench-") as folder,
        LocalKafka(Path(folder), say=console.print) as kafka,
    ):
        for name in names or PARTS:
            console.print(f"{name} …")
            for row in (PARTS | LONG_PARTS)[name](kafka.bootstrap, Path(folder)):
                table.add_row(*row)
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
