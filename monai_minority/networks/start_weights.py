"""Starting a network from the weights of another that lacks its class labels."""

from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from monai_minority.networks.checkpoints import check_fit, read_state_dict

Module = TypeVar("Module", bound=nn.Module)

_LABEL_EMBEDDINGS = ("class_embedding.weight", "label_emb.weight")
"""What MONAI's U-Net and ADM call the table of class labels, which is added to that of the timestep."""


def start_weights(network: Module, path: str | Path | None) -> Module:
    """Fill a network with the weights to start training from, in place.

    A network conditional on class labels may start from one that is not: where the file has no table of labels, it is
    set to zero, so that the network gives at first what the other gives, whatever the label.

    Args:
        network: to be trained.
        path: checkpoint; ``None`` leaves the network as it is.

    Returns:
        The network.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file does not fit; what does not is named.
    """
    if path is None:
        return network
    found = read_state_dict(path)
    for name, table in network.state_dict().items():
        if name.endswith(_LABEL_EMBEDDINGS) and name not in found:
            found[name] = torch.zeros_like(table)
    check_fit(network, found, str(path))
    network.load_state_dict(found)
    return network
