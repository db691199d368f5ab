"""A piece of the work on each core: a layer of a small network is too little for two threads, a batch is not."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import get_ident
from typing import Any, TypeVar

import torch
from torch.utils.hooks import RemovableHandle

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST = 4  # pieces at once, each of which is in memory


def places(device: torch.device | str) -> int:
    """How many items are worked on at once on a device: more than one on processors alone.

    Example:
        >>> from monai_minority.side_by_side import places
        >>> places("cuda")
        1
    """
    return min(torch.get_num_threads(), _MOST) if torch.device(device).type == "cpu" else 1


def side_by_side(
    function: Callable[[Item], Result], items: Sequence[Item], device: torch.device | str = "cpu"
) -> Iterator[Result]:
    """Like ``map``, with several items at once, among whom the threads of PyTorch are shared out.

    Gradients and autocast are those of the caller. Where PyTorch has one thread, or the work is on another device, it
    is ``map``.

    Args:
        function: called in other threads.
        items: its arguments.
        device: where it computes.

    Yields:
        The results in the order of the items.

    Example:
        >>> from monai_minority.side_by_side import side_by_side
        >>> list(side_by_side(lambda x: x * x, [1, 2, 3]))
        [1, 4, 9]
    """
    threads, at_once = torch.get_num_threads(), min(places(device), len(items))
    if at_once < 2:
        yield from map(function, items)
        return
    gradients, bare = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
    casts, dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    def call(item: Item) -> Result:
        with torch.inference_mode(bare), torch.set_grad_enabled(gradients), torch.autocast("cpu", dtype, casts):
            return function(item)

    try:
        with ThreadPoolExecutor(at_once, initializer=torch.set_num_threads, initargs=(threads // at_once,)) as pool:
            for start in range(0, len(items), at_once):
                yield from pool.map(call, items[start : start + at_once])
    finally:
        torch.set_num_threads(threads)  # of this thread, which the others' may have changed


def hook_here(module: torch.nn.Module, hook: Callable[..., Any]) -> RemovableHandle:
    """Register a forward hook that acts where it was registered, and not in threads that call the module meanwhile.

    Example:
        >>> import torch
        >>> from monai_minority.side_by_side import hook_here
        >>> module = torch.nn.Identity()
        >>> handle = hook_here(module, lambda module, inputs, output: output + 1)
        >>> module(torch.zeros(1)).item()
        1.0
    """
    here = get_ident()
    return module.register_forward_hook(lambda *call: hook(*call) if get_ident() == here else None)
