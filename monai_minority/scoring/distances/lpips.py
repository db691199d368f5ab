"""LPIPS with weights from files; weights are neither downloaded nor random."""

import warnings
from pathlib import Path

import lpips
import torch
from torch import Tensor

from monai_minority.networks.weights import LPIPS_TRUNKS

from .distance import Distance, Embedding, as_rgb, unit_channels


class LPIPS(Distance):
    """Learned perceptual image patch similarity (Zhang et al. 2018, version 0.1), the paper's default distance.

    The `lpips` package provides the architecture and the learned channel weights. The ImageNet trunk is read from a
    file.

    Args:
        net: trunk, ``"alex"``, ``"vgg"`` or ``"squeeze"``.
        weights: file of the trunk as torchvision publishes it, or of a whole ``lpips.LPIPS`` state dict. ``None`` looks
            for torchvision's file in the folder of ``torch.hub``'s checkpoints.

    Raises:
        ValueError: ``net`` is unknown, or the file has neither form.
        FileNotFoundError: the file is missing; the message says where to get it and where to put it.

    Example:
        >>> import tempfile
        >>> import lpips
        >>> import torch
        >>> from monai_minority.scoring import LPIPS
        >>> network = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False)  # in place of published weights
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save(network.state_dict(), f"{folder}/lpips.pth")
        ...     distance = LPIPS("squeeze", f"{folder}/lpips.pth")
        >>> grey, noise = torch.zeros(1, 1, 32, 32), torch.rand(1, 1, 32, 32)
        >>> distance(grey, grey).item(), distance(grey, noise).item() > 0
        (0.0, True)
    """

    def __init__(self, net: str = "alex", weights: str | Path | None = None) -> None:
        super().__init__()
        if net not in LPIPS_TRUNKS:
            raise ValueError(f"net must be one of {list(LPIPS_TRUNKS)}, got {net!r}.")
        state = torch.load(LPIPS_TRUNKS[net].find(weights), map_location="cpu", weights_only=True)
        state = state.get("state_dict", state)
        # The package fills the trunk at random before the file overwrites it.
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            self.network = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
        self._load(state, net, weights)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "LPIPS":
        """Stay in evaluation mode: a distance must not use the dropout before the learned weights."""
        return super().train(False)

    def embed(self, x: Tensor) -> list[Tensor]:
        """Unit-length maps ``[B, C, h, w]``, one for each layer, of images ``[B, 1 or 3, H, W]`` in [-1, 1]."""
        return [unit_channels(maps) for maps in self.network.net(self.network.scaling_layer(as_rgb(x)))]

    def compare(self, a: Embedding, b: Embedding) -> Tensor:
        """Distances ``[B]``: squared differences weighted by channel, averaged over positions, summed over layers."""
        layers = zip(self.network.lins, a, b, strict=True)
        total = [weigh((left - right).square()).mean((1, 2, 3)) for weigh, left, right in layers]
        return sum(total[1:], total[0])

    def _load(self, state: dict[str, Tensor], net: str, weights: str | Path | None) -> None:
        trunk = self.network.net.state_dict()
        if any(key.startswith("net.slice") for key in state):
            target, source = self.network, state
        else:
            # Slices keep torchvision's layer numbers: slice2.3.weight is features.3.weight.
            names = {key: "features." + key.partition(".")[2] for key in trunk}
            target = self.network.net
            source = {key: state[name] for key, name in names.items() if name in state}
        try:
            target.load_state_dict(source)
        except RuntimeError as error:
            raise ValueError(
                f"weights: {weights or LPIPS_TRUNKS[net].file} is neither a torchvision trunk for net={net!r} nor a "
                f"whole `lpips.LPIPS` state dict with that trunk: {str(error).splitlines()[1].strip()[:200]}"
            ) from error
