"""The precision in which networks compute where the user chose none."""

import torch


def fast_dtype(device: torch.device | str) -> torch.dtype | None:
    """bfloat16 where the device computes in it, else ``None`` (float32).

    A processor without bfloat16 instructions falls back to a reference kernel some hundred times slower than
    float32, so it is asked first.

    Args:
        device: where the networks run.

    Returns:
        A dtype for autocast, or ``None`` for none.

    Example:
        >>> import torch
        >>> from monai_minority.run import fast_dtype
        >>> fast_dtype("cpu") in (torch.bfloat16, None)
        True
    """
    device = torch.device(device)
    if device.type == "cuda":
        # float16 is no substitute: without a scaled loss its small gradients vanish.
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else None
    if device.type == "cpu":
        supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
        return torch.bfloat16 if supported is not None and supported() else None
    return None
