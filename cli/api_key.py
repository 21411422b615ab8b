"""The administrator's API key of a data folder, for those who have not chosen one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from core.errors import LocalRuntimeError

_FILE = "api-key"


def kept_api_key(data_dir: Path) -> str:
    """Return the key that is kept in *data_dir*; the first time, generate it. Only this user can read the file.

    To be called by the process that holds the folder.

    Raises:
        LocalRuntimeError: The file cannot be read or written.
    """
    file = data_dir / _FILE
    try:
        return _read(file) or _generate(file)
    except OSError as error:
        raise LocalRuntimeError(
            f"Cannot keep an API key in {file}: {error.strerror}. "
            "Choose another --data-dir, or name a key with --api-key."
        ) from error


def _read(file: Path) -> str:
    return file.read_text().strip() if file.exists() else ""


def _generate(file: Path) -> str:
    key = secrets.token_urlsafe(24)
    fresh = file.with_name(f"{file.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(f"{key}\n")
    fresh.replace(file)
    return key
