"""Shared fixtures. Data that lies beside the checkout is optional: a test that needs it skips where it is absent."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("MONAI_FAIL_ON_DUPLICATE_CONFIG", "1")

import torch

from tests.recorded import unpack

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


def _beside_checkout(name: str, what: str) -> Path:
    path = SHARED / name
    if not path.is_dir():
        pytest.skip(f"{what} are not beside the checkout ({SHARED.name}/{name} is absent)")
    return path


@pytest.fixture(scope="session")
def fixtures_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of recorded outputs of the reference implementations: the full ones where they lie beside the checkout,
    else those of the repository."""
    if (SHARED / "fixtures").is_dir():
        return SHARED / "fixtures"
    folder = tmp_path_factory.mktemp("reference_outputs")
    unpack(folder)
    return folder


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real volumes, slices, DICOM series and photographs."""
    return _beside_checkout("data", "real images")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
