"""The recorded outputs of the repository are those beside it, cut short."""

from typing import Any

import pytest
import torch

from tests.conftest import SHARED
from tests.recorded import SMALL, drawn, unpack

NAMES = sorted(path.stem for path in SMALL.glob("*.npz"))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    unpack(folder)
    return folder


def compare(small: Any, full: Any, path: str) -> None:
    """Equal, but for the length of tensors."""
    assert type(small) is type(full), path
    if isinstance(small, torch.Tensor):
        start = tuple(slice(0, length) for length in small.shape)
        assert small.dtype == full.dtype and torch.equal(small, full[start]), path
    elif isinstance(small, dict):
        assert small.keys() == full.keys(), path
        for key, value in small.items():
            compare(value, full[key], f"{path}/{key}")
    elif isinstance(small, list):
        assert len(small) == len(full), path
        for i, values in enumerate(zip(small, full, strict=True)):
            compare(*values, f"{path}/{i}")
    else:
        assert small == full, path


@pytest.mark.parametrize("name", [*NAMES, "lpips_alex_random"])
def test_what_is_kept_is_what_was_recorded(small, name):
    if not (SHARED / "fixtures").is_dir():
        pytest.skip("the full recorded outputs are not beside the checkout")
    compare(*(torch.load(folder / f"{name}.pt", weights_only=True) for folder in (small, SHARED / "fixtures")), name)


def test_they_are_small_and_hold_every_record():
    assert len(NAMES) == 9
    assert sum(path.stat().st_size for path in SMALL.iterdir()) <= 5_000_000


def test_weights_of_another_random_stream_are_refused():
    network = {"seed": 0, "shapes": {"a.weight": [16], "b": [2, 16]}, "scales": {"b": 20.0}}
    generator = torch.Generator().manual_seed(0)
    a, b = 1 + torch.randn(16, generator=generator) * 0.05, torch.randn(2, 16, generator=generator)
    found = drawn(network | {"sum": (a.double().sum() + b.double().sum()).item()})
    assert torch.equal(found["a.weight"], a)
    torch.testing.assert_close(found["b"], b)
    with pytest.raises(RuntimeError, match="draws other random numbers than the one that recorded"):
        drawn(network | {"sum": 0.0})
