"""The small recorded outputs of the reference implementations, unpacked to the files that tests load.

What they are and how they were made small is told in ``reference_outputs/README.md``.
"""

import json
import warnings
from pathlib import Path
from typing import Any

import lpips
import numpy as np
import torch

SMALL = Path(__file__).parent / "reference_outputs"


def unpack(folder: Path) -> None:
    """Write every record to ``<name>.pt`` in a folder, in the form of the full files."""
    networks = json.loads((SMALL / "networks_drawn.json").read_text(encoding="utf-8"))
    for path in SMALL.glob("*.npz"):
        with np.load(path) as arrays:
            tree = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            torch.save(_built(tree, arrays, networks), folder / f"{path.stem}.pt")
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        torch.manual_seed(0)
        trunk = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    torch.save({"state_dict": dict(trunk.state_dict())}, folder / "lpips_alex_random.pt")


def drawn(network: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The random weights that a network was recorded with: of each tensor in turn 0.05 times standard normal
    numbers, around 1 for the weights of normalisations and around 0 for all others.

    Args:
        network: ``seed``, ``shapes`` by name, ``scales`` of tensors that are so many times larger, and ``sum`` of all.

    Raises:
        RuntimeError: they are others than those of the record.
    """
    generator = torch.Generator().manual_seed(network["seed"])
    weights = {}
    for name, shape in network["shapes"].items():
        numbers = torch.randn(shape, generator=generator) * 0.05 * network["scales"].get(name, 1.0)
        weights[name] = 1 + numbers if name.endswith("weight") and len(shape) == 1 else numbers
    total = sum(values.double().sum().item() for values in weights.values())
    if abs(total - network["sum"]) > 1e-3:
        raise RuntimeError(
            f"this PyTorch draws other random numbers than the one that recorded: {total} in all for {network['sum']}; "
            "the full files beside the checkout hold the weights themselves"
        )
    return weights


def _built(tree: Any, arrays: Any, networks: dict[str, Any]) -> Any:
    if isinstance(tree, list):
        return [_built(item, arrays, networks) for item in tree]
    if not isinstance(tree, dict):
        return tree
    match tree:
        case {"array": name}:
            return torch.from_numpy(arrays[name])
        case {"tuple": items}:
            return tuple(items)
        case {"drawn": name}:
            return drawn(networks[name])
    return {name: _built(item, arrays, networks) for name, item in tree.items()}
