"""Seeded random weights that are the same on every machine."""

import torch
from torch import nn


def initialise(network: nn.Module, seed: int) -> nn.Module:
    """Give a network on the meta device random weights, on the CPU.

    Weights of convolutions and linear layers are normal with variance ``2 / fan_in`` (He et al., 2015), which
    keeps the scale of activations through ReLUs; biases are 0; normalisation layers are the identity (weight
    1, bias 0, running mean 0, variance 1). Layers draw in the order of ``named_modules`` from one CPU
    generator.

    Args:
        network: convolutional network.
        seed: of the generator.

    Returns:
        The network.

    Raises:
        ValueError: a layer with weights is of another kind.
    """
    generator = torch.Generator().manual_seed(seed)
    network = network.to_empty(device="cpu")
    with torch.no_grad():
        for name, module in network.named_modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()
            elif next(module.parameters(recurse=False), None) is not None:
                raise ValueError(f"cannot initialise layer {name!r} of type {type(module).__name__}")
    return network
