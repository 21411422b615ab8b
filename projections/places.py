"""Where the views of a machine lie.

    <data folder>/log/<topic>/<cluster ID>.<topic ID>.v2/  index of the command log; beside it the lock of who folds it
    <data folder>/views/<cluster ID>.<topic ID>/registry   the registry
    <data folder>/views/<cluster ID>.<topic ID>/status     the last outcome of each reconciled thing
    <data folder>/views/<cluster ID>.<topic ID>/mirrors/…  a folder per Kafka topic ID
    <data folder>/views/<cluster ID>.<topic ID>/freshness  how current each mirror is
    <data folder>/views/current                            the identity that is served

Views of another cluster, or of a log topic that was created again, lie elsewhere: nothing of one log is ever taken
for another's. The processes that only read learn from `current` which one it is, without asking Kafka.
"""

from __future__ import annotations

import os
from pathlib import Path

from core.errors import StoreError
from core.log_identity import index_path


class ViewFolder:
    """The folder of all views of one log."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.identity = path.name
        """Of the log that they show, as `LogIdentity.folder_name` writes it."""
        self.registry = path / "registry"
        self.status = path / "status"
        self.freshness = path / "freshness"
        self._mirrors = path / "mirrors"

    def mirror(self, topic_id: str) -> Path:
        """Return where readers find the mirror of the Kafka topic with this ID; a link, as of the moment."""
        return self.mirror_place(topic_id) / "live"

    def mirror_place(self, topic_id: str) -> Path:
        """Return the folder of all copies of the Kafka topic with this ID (`projections.mirror_places`)."""
        return self._mirrors / topic_id.replace("/", "_").replace("+", "-")


def view_folder(data_dir: Path, identity: str) -> ViewFolder:
    """Return the folder of the views of the log *identity*, whether or not it is there."""
    return ViewFolder(data_dir / "views" / identity)


def make_current(data_dir: Path, folder: ViewFolder) -> None:
    """Let readers find the views of *folder*, which are there; for the process that writes them.

    Raises:
        StoreError: The data folder cannot be written.
    """
    views = data_dir / "views"
    try:
        fresh = views / "current.new"
        fresh.write_text(folder.identity)
        fresh.replace(views / "current")
    except OSError as error:
        raise StoreError(f"Cannot write to {views}: {error}. Check the disk and its permissions.") from error


def current(data_dir: Path) -> ViewFolder | None:
    """Return the folder of the views that are served, `None` while no projector has ever run on this data folder."""
    try:
        identity = (data_dir / "views" / "current").read_text()
    except FileNotFoundError:
        return None
    return view_folder(data_dir, identity)


def log_folder(data_dir: Path, topic: str) -> Path:
    """Return where the index of the log *topic* lies, with its locks."""
    return data_dir / "log" / topic


def log_index_path(data_dir: Path, topic: str, folder: ViewFolder) -> Path:
    """Return the index of the log that the views of *folder* belong to."""
    return index_path(log_folder(data_dir, topic), folder.path.name)


def file_id(path: Path) -> tuple[int, int]:
    """Return what tells a folder from one that was made again under the same name."""
    status = os.stat(path)  # noqa: PTH116 - asked for often
    return status.st_dev, status.st_ino
