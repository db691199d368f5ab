"""What a network is conditional on."""

from collections.abc import Callable

from torch import Tensor


def takes_class_labels(network: Callable[..., Tensor], unknown: bool) -> bool:
    """Whether a network is conditional on class labels.

    Known by its attribute ``num_classes`` (here) or ``num_class_embeds`` (MONAI), ``None`` where it is not.

    Args:
        network: the network, bare or wrapped for distributed work.
        unknown: the answer for a network that has neither attribute.
    """
    network = getattr(network, "module", network)
    for name in ("num_classes", "num_class_embeds"):
        if hasattr(network, name):
            return getattr(network, name) is not None
    return unknown
