"""Large volumes are walked as they lie in memory: NIfTI has its first axis innermost, PyTorch its last."""

import torch


def in_memory_order(voxels: torch.Tensor) -> torch.Tensor:
    """A view with the axes permuted so that they descend in stride: contiguous where the memory is."""
    return voxels.permute(memory_order(voxels))


def memory_order(voxels: torch.Tensor) -> list[int]:
    """The axes from the outermost in memory to the innermost."""
    return sorted(range(voxels.ndim), key=voxels.stride, reverse=True)
