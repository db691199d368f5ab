"""Images to latents, as MONAI's evaluator asks for them."""

from monai.inferers import Inferer
from torch import Tensor

from monai_minority.networks.autoencoder import LatentAutoencoder


class EncodingInferer(Inferer):
    """Encodes a batch with the engine's network, a :class:`~monai_minority.networks.LatentAutoencoder`."""

    def __call__(self, inputs: Tensor, network: LatentAutoencoder) -> Tensor:  # type: ignore[override]
        """Scaled latents ``[B, c, h, w]`` of images ``[B, C, H, W]`` in [-1, 1]."""
        return network.encode(inputs)
