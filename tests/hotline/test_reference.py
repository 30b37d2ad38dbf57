"""The reference says what the code says."""

import importlib.util
from types import ModuleType

import pytest

from hotline.settings import CHECKOUT


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", CHECKOUT / "script" / "reference.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name", ["settings.md", "commands.md", "permissions.md", "policy.md", "../states.md"]
)
def test_the_reference_is_what_the_code_says(reference: ModuleType, name: str) -> None:
    written = (CHECKOUT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert written == reference.PAGES[name](), "run script/reference"
