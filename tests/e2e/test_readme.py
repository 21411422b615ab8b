"""The README's tour is true: its commands run, and print what it says."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from cli.local_kafka import LocalKafka
from tests.running import Running

CURL = """#!/bin/sh
# Who is told to come again does, as everybody who programs would: a mirror may just be being built.
end=$(($(date +%s) + 60))
while
  {curl} --dump-header "$0.head" "$@" > "$0.body"
  code=$?
  head -n 1 "$0.head" | grep -q ' 503' && [ "$(date +%s)" -lt "$end" ]
do sleep 0.2; done
cat "$0.body"
exit $code
"""

README = Path(__file__).parents[2] / "README.md"


class Step(NamedTuple):
    commands: str
    output: str | None


def steps() -> Iterator[Step]:
    """Yield each shell block with the text block that follows it at once."""
    blocks = re.finditer(r"^```sh\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", README.read_text(), re.MULTILINE | re.DOTALL)
    for block in blocks:
        yield Step(block[1], block[2])


def patient_curl(folder: Path) -> Path:
    """Return a folder with a `curl` that asks again where the answer is 503."""
    curl = shutil.which("curl")
    assert curl is not None, "the tour needs it"
    (folder / "bin").mkdir()
    script = folder / "bin" / "curl"
    script.write_text(CURL.format(curl=curl))
    script.chmod(0o755)
    return script.parent


def test_the_tour_prints_what_it_says(
    broker: Callable[[], LocalKafka], new_running: Callable[..., Running], tmp_path: Path
) -> None:
    tour = list(steps())
    assert len(tour) > 5
    running = new_running(broker().bootstrap)  # Its topics have plain names, which others may have taken elsewhere.
    running.start()
    environment = {**running.environment, "QUICK": running.url, "KEY": "e2e-key"}
    environment["PATH"] = f"{patient_curl(tmp_path)}:{running.bin}:{environment['PATH']}"
    for step in tour:
        commands = step.commands.replace(". .venv/bin/activate\n", "")
        done = subprocess.run(
            ["bash", "-euc", commands],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        assert 0 == done.returncode, f"{step.commands}{done.stdout}"
        if step.output is not None:
            printed = "\n".join(line.rstrip() for line in done.stdout.splitlines())
            assert step.output.strip() == printed.strip(), step.commands
    running.stop()
