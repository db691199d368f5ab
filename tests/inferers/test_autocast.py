"""Mixed precision around another inferer."""

import pytest
import torch
from monai.inferers import SimpleInferer

from monai_minority.inferers import AutocastInferer


@pytest.mark.parametrize("dtype, expected", [(torch.bfloat16, torch.bfloat16), (None, torch.float32)])
def test_the_network_computes_in_the_dtype(dtype, expected):
    network, x = torch.nn.Linear(64, 8), torch.randn(3, 64)
    output = AutocastInferer(SimpleInferer(), dtype)(x, network)
    assert output.dtype == expected
    exact = network(x)
    error = (output.float() - exact).abs().max()
    assert error == 0 if dtype is None else 0 < error < 0.05
    assert network(x).dtype == torch.float32, "autocast ends with the call"
    assert network.weight.dtype == torch.float32
