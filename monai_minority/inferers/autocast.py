"""Mixed precision on any device."""

from typing import Any

import torch
from monai.inferers import Inferer


class AutocastInferer(Inferer):
    """Runs another inferer under autocast on the device of its input.

    MONAI's engines cast on CUDA alone; a processor gains as much from bfloat16.

    Args:
        inferer: what is called.
        dtype: such as ``torch.bfloat16``; ``None`` switches autocast off.
    """

    def __init__(self, inferer: Inferer, dtype: torch.dtype | None = torch.bfloat16) -> None:
        self.inferer = inferer
        self.dtype = dtype

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> Any:
        """Call ``inferer(inputs, network, *args, **kwargs)``; what it returns is returned."""
        with torch.autocast(inputs.device.type, dtype=self.dtype, enabled=self.dtype is not None):
            return self.inferer(inputs, network, *args, **kwargs)
