"""Which precision is chosen, by what the hardware says of itself."""

import pytest
import torch

from monai_minority.run import fast_dtype


@pytest.mark.parametrize("supported, expected", [(True, torch.bfloat16), (False, None)])
def test_processor(monkeypatch, supported, expected):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: supported, raising=False)
    assert fast_dtype("cpu") is expected


@pytest.mark.parametrize("supported, expected", [(True, torch.bfloat16), (False, None)])
def test_gpu_without_bfloat16_computes_in_float32(monkeypatch, supported, expected):
    """float16 needs a scaled loss, which the stages do not have."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: supported)
    assert fast_dtype(torch.device("cuda", 0)) is expected


def test_other_devices():
    assert fast_dtype("meta") is None
