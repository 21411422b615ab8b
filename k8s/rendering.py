"""Templates filled in, and read as the manifests that they then are.

Every value is written as JSON, which is YAML too: whatever it holds, it stays one value in its place. A template
therefore puts no quotes around values, and builds none from pieces.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any, Final

import jinja2
import yaml

Manifest = dict[str, Any]
"""One object as Kubernetes takes it: `apiVersion`, `kind`, `metadata` and what belongs to the kind."""

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C is ten times as fast; not every build of PyYAML has it."""

_ESCAPED: Final = re.compile("[\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""What JSON may hold as it is, and YAML would refuse or take for the end of a line."""


def manifest(template: str, values: dict[str, object]) -> Manifest:
    """Return the object that the template of this name makes of *values*.

    Raises:
        jinja2.UndefinedError: The template wants a value that is not there: a mistake of ours.
    """
    filled = _templates().get_template(f"{template}.yaml").render(values)
    made: Manifest = yaml.load(filled, Loader=_LOADER)  # noqa: S506 - a safe loader, in C where there is one
    return made


def as_json(value: object) -> object:
    """Return *value* as JSON that reads the same as YAML; what makes up a template when it is filled in."""
    if isinstance(value, jinja2.Undefined):
        return str(value)  # Which raises, and names what is missing.
    if value is None:
        raise TypeError("A template inserts a value that may be missing without asking whether it is there.")
    return _ESCAPED.sub(_escape, json.dumps(value, ensure_ascii=False))


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(  # noqa: S701 - every value is JSON; there is no HTML
        loader=jinja2.PackageLoader("k8s", "templates"),
        undefined=jinja2.StrictUndefined,
        finalize=as_json,
        trim_blocks=True,
        lstrip_blocks=True,
    )
