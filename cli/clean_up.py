"""What is left of a replica of a mirror that was given up: its folder, and what it has announced."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from cli.folder_lock import FolderLock, make_folder
from core.errors import StoreError
from core.settings import Settings
from projections.replica_removal import remove_replicas

_WAY_OUT: Final = "Name the folder of the replica with --data-dir."

_OWN: Final = ("views", "log", "ingest", "projector.lock", "lock")
"""What a replica keeps; in a folder that is no replica's there may be more, and that stays."""


def clean_up_mirror(kafka: str, topic: str, data_dir: Path, api_key: str, *, say: Callable[[str], None]) -> None:
    """Remove what replicas of a mirror have left behind. The topic itself stays, whatever becomes of its mirror.

    Args:
        kafka: Brokers as `HOST:PORT`.
        topic: Name of the topic.
        data_dir: Folder of the replica.
        api_key: The key of this Quick.
        say: Takes one line that tells what was done.

    Raises:
        LocalRuntimeError: The folder is in use.
        KafkaUnavailableError: Kafka does not answer: run it again.
        StoreError: The folder cannot be removed.
    """
    environ = {
        **os.environ,
        "QUICK_KAFKA_BOOTSTRAP_SERVER": kafka,
        "QUICK_DATA_DIR": str(data_dir),
        "QUICK_APIKEY": api_key,
    }
    lock = FolderLock(make_folder(data_dir, _WAY_OUT), _WAY_OUT)
    try:
        announced = remove_replicas(Settings.from_env(environ), topic)
        _remove(data_dir)
    finally:
        lock.release()
    say(f"What the mirror of {topic} kept in {data_dir} is removed, and {announced} announcements are taken back.")


def _remove(folder: Path) -> None:
    for name in _OWN:
        found = folder / name
        try:
            shutil.rmtree(found) if found.is_dir() else found.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"Cannot remove {found}: {error}. Remove it by hand, or run this again.") from error
    with suppress(OSError):  # A volume is mounted there, or it holds something else.
        folder.rmdir()
