"""Protobuf schemas: from .proto text, as a registry keeps it, to the descriptors that it means.

The text comes from whoever may register schemas, so the compiler runs as a process of its own, with a time
limit, and reads nothing but the text, its imports and the files that Google ships with it. What it made is kept
by text: a topic's schema is compiled once for each worker.
"""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

from core.errors import InvalidInputError, UnavailableError
from core.json_values import shown
from core.protobuf_printer import protobuf_text

MAX_SCHEMA_BYTES: Final = 1_000_000
"""Longest text of a schema and its imports together, in bytes of UTF-8."""

MAX_IMPORTS: Final = 200

COMPILED_KEPT: Final = 256
"""Schemas whose descriptors a process keeps."""

COMPILE_TIMEOUT_S: Final = 20.0
"""Longest run of the compiler; it takes less than 0.1 s for any sensible schema on an idle machine."""

_SHOWN_ERRORS: Final = 5
_BASE64: Final = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")
_IMPORT_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")
_PLACE: Final = re.compile(r"(?P<file>[^:\n]+):(?P<line>\d+):(?P<column>\d+): (?P<problem>.*)")
_GOOGLES: Final = files("grpc_tools").joinpath("_proto")


@dataclass(frozen=True, slots=True)
class ProtobufFiles:
    """A compiled schema. Not to be changed: threads share it."""

    main: FileDescriptorProto
    imports: tuple[FileDescriptorProto, ...]
    """Every file that `main` needs, each after those that it needs itself."""


def compile_protobuf(schema: str, imports: Mapping[str, str] | None = None) -> ProtobufFiles:
    """Return the descriptors of *schema*.

    Args:
        schema: The .proto text, or a serialized FileDescriptorProto in base64, as some clients register it.
        imports: The same for every file that it imports, directly or not, by the name it is imported under;
            Google's own under `google/protobuf/` need not be among them.

    Raises:
        InvalidInputError: The text is wrong, and says where; an import is missing; or there is too much of it.
        UnavailableError: The compiler could not be run.
    """
    return _compiled(schema, tuple(sorted((imports or {}).items())))


def as_text(schema: str) -> str:
    """Return *schema* as .proto text: as it is, unless it is a serialized FileDescriptorProto in base64.

    Raises:
        InvalidInputError: It is neither.
    """
    if not schema.strip() or not _BASE64.fullmatch(schema):
        return schema
    try:
        return protobuf_text(FileDescriptorProto.FromString(base64.b64decode(schema, validate=False)))
    except (ValueError, TypeError, LookupError, DecodeError, RecursionError) as error:
        # A TypeError comes from names that are no UTF-8: they are bytes then.
        raise InvalidInputError(
            f"{shown(schema[:100])} is neither .proto text nor a serialized FileDescriptorProto in base64: {error}. "
            "Register the text of the .proto file."
        ) from error


def canonical_protobuf(schema: str, imports: Mapping[str, str] | None = None) -> str:
    """Return the text of *schema* as it is printed here, so that comments and blanks make no difference.

    A text that says what the printer does not know, options of its own for example, stays as it is.

    Raises:
        InvalidInputError: The text is wrong, and says where.
        UnavailableError: The compiler could not be run.
    """
    descriptor = compile_protobuf(schema, imports).main
    printed = protobuf_text(descriptor)
    try:
        is_whole = compile_protobuf(printed, imports).main == descriptor
    except InvalidInputError:
        is_whole = False
    return printed if is_whole else as_text(schema)


@lru_cache(COMPILED_KEPT)
def _compiled(schema: str, imports: tuple[tuple[str, str], ...]) -> ProtobufFiles:
    _refuse_too_much(schema, imports)
    needed = {name: as_text(text) for name, text in imports if not _is_googles(name)}
    main = _free_name(needed)
    needed[main] = as_text(schema)
    with tempfile.TemporaryDirectory(prefix="quick-proto-") as folder:
        _write(Path(folder, "in"), needed)
        descriptors = _run_compiler(Path(folder), main)
    return ProtobufFiles(main=descriptors[-1], imports=tuple(descriptors[:-1]))


def _refuse_too_much(schema: str, imports: tuple[tuple[str, str], ...]) -> None:
    size = sum(len(text.encode(errors="surrogatepass")) for text in (schema, *(text for _, text in imports)))
    if size > MAX_SCHEMA_BYTES or len(imports) > MAX_IMPORTS:
        raise InvalidInputError(
            f"The Protobuf schema has {size} bytes with its {len(imports)} imports; {MAX_SCHEMA_BYTES} bytes and "
            f"{MAX_IMPORTS} imports are allowed. Split it."
        )
    for name, _ in imports:
        if not _IMPORT_NAME.fullmatch(name):
            raise InvalidInputError(
                f"The Protobuf schema imports {shown(name)}. Let imports be relative paths of letters, digits and "
                "'_', '.', '+' or '-', without '..'."
            )


def _is_googles(name: str) -> bool:
    return name.startswith("google/protobuf/") and _GOOGLES.joinpath(name).is_file()


def _free_name(taken: Mapping[str, str]) -> str:
    """Return a name for the schema itself that none of its imports has; descriptors and messages show it."""
    return next(
        name for name in ("schema.proto", *(f"schema_{n}.proto" for n in range(MAX_IMPORTS))) if name not in taken
    )


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        path = folder / PurePosixPath(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        except UnicodeEncodeError as error:
            raise InvalidInputError(f"{name} holds half a surrogate pair: {error}. Write it in UTF-8.") from error
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise InvalidInputError(f"An import is called as the folder of another one: {name}. Rename it.") from error
        except OSError as error:
            raise UnavailableError(f"The Protobuf compiler has no room for {name}: {error}. Try again.") from error


def _run_compiler(folder: Path, main: str) -> list[FileDescriptorProto]:
    out = folder / "out"
    # Isolated, so that no file of the schema can be taken for a module of Python.
    command = [sys.executable, "-I", "-m", "grpc_tools.protoc", f"-I{folder / 'in'}", "--include_imports"]
    try:
        done = subprocess.run(  # noqa: S603  fixed words; the name of the file is ours
            [*command, f"--descriptor_set_out={out}", main],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=COMPILE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InvalidInputError(
            f"The Protobuf schema was not compiled within {COMPILE_TIMEOUT_S:.0f} s. Simplify it, or try again."
        ) from error
    except OSError as error:
        raise UnavailableError(f"The Protobuf compiler cannot be started: {error}. Try again.") from error
    if done.returncode != 0:
        # Some messages name a file by its path, others by the name it is imported under.
        output = done.stderr.decode(errors="replace").replace(f"{folder / 'in'}/", "")
        raise InvalidInputError(_explanation(output, main, done.returncode))
    return list(FileDescriptorSet.FromString(out.read_bytes()).file)


def _explanation(output: str, main: str, exit_code: int) -> str:
    problems = [_problem(line, main) for line in output.splitlines() if line.strip() and ": warning: " not in line]
    if not problems:
        return f"The Protobuf schema makes the compiler end with code {exit_code}. Simplify it."
    more = f" and {len(problems) - _SHOWN_ERRORS} more" if len(problems) > _SHOWN_ERRORS else ""
    return f"The Protobuf schema is wrong: {'; '.join(problems[:_SHOWN_ERRORS])}{more}. Correct it there."


def _problem(line: str, main: str) -> str:
    found = _PLACE.fullmatch(line)
    if found is None:
        return line.removeprefix(f"{main}: ").rstrip(".")
    file = "" if found["file"] == main else f"{found['file']} "
    return f"{file}line {found['line']}, column {found['column']}: {found['problem'].rstrip('.')}"
