"""`make bench`: what Quick costs, beside raw limits of the same run. Prints a table; asserts nothing.

Machines differ and are shared: read the ratios, and compare figures of one run only.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent))

import bench_append
import bench_ingest
import bench_log
import bench_mirror
import bench_up

from cli.local_kafka import LocalKafka

console = Console(highlight=False, width=110)


def main() -> int:
    """Run all benchmarks; return the exit code."""
    table = Table("what", "figure", "beside", "ratio", "wanted", title="make bench")
    with tempfile.TemporaryDirectory(prefix="quick-bench-") as name:
        folder = Path(name)
        with LocalKafka(folder, say=console.print) as kafka:
            for measure in (
                bench_mirror.measure,
                bench_append.measure,
                bench_ingest.measure,
                bench_log.measure,
                bench_up.measure,
            ):
                console.print(f"{measure.__module__} …")
                for row in measure(kafka.bootstrap, folder):
                    table.add_row(*row)
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
