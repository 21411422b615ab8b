"""The objects of each kind of thing in each variant, as they lie in `golden/`.

After a wanted change: `QUICK_UPDATE_GOLDEN=1 pytest tests/k8s/test_golden.py`, and look at the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from k8s.documents import as_documents
from tests.k8s.declared_things import variants

FOLDER = Path(__file__).with_name("golden")

VARIANTS = variants()


@pytest.mark.parametrize("variant", VARIANTS)
def test_objects_are_as_in_the_golden_file(variant: str) -> None:
    made, path = as_documents(VARIANTS[variant]), FOLDER / f"{variant}.yaml"
    if os.environ.get("QUICK_UPDATE_GOLDEN"):
        path.write_text(made, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == made


def test_every_golden_file_belongs_to_a_variant() -> None:
    assert sorted(f"{variant}.yaml" for variant in VARIANTS) == sorted(path.name for path in FOLDER.iterdir())


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_golden_file_holds_exactly_the_objects(variant: str) -> None:
    assert VARIANTS[variant] == list(yaml.safe_load_all((FOLDER / f"{variant}.yaml").read_text(encoding="utf-8")))
