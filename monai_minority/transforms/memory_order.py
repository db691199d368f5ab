"""Access large volumes in memory order: NIfTI has its first axis innermost, PyTorch its last."""

import torch


def in_memory_order(voxels: torch.Tensor) -> torch.Tensor:
    """A view with axes sorted by descending stride. It is contiguous if the memory is."""
    return voxels.permute(memory_order(voxels))


def memory_order(voxels: torch.Tensor) -> list[int]:
    """The axes from the outermost in memory to the innermost."""
    return sorted(range(voxels.ndim), key=voxels.stride, reverse=True)
