"""Area of a label from a segmentation network, as a measure of severity."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import torch
from monai.bundle import ConfigParser
from torch import Tensor, nn
from torch.nn.functional import interpolate

from monai_minority.networks import load_checkpoint


class LabelArea(nn.Module):
    """Area of a label in each image, from any two-dimensional segmentation network.

    Args:
        network: network from images ``[B, C, H, W]`` to logits ``[B, K, h, w]``, such as MONAI's ``UNet``. It is kept
            in evaluation mode.
        label: channel of the label; 0 if there is a single channel (K = 1).
        exclusive: whether each pixel has one label, which has the highest logit. Otherwise the channels are
            independent, and a pixel has the label where its logit is above 0. A single channel is always independent.
        prepare: preprocessing of the network, from images ``[B, C, H, W]`` in [-1, 1] to its input, such as
            ``lambda images: (images + 1) / 2``.
        size: side in pixels to which images are resized for the network (bilinear); ``None`` keeps their size.
        pixel_area: area of a pixel of the images, for instance in mm²; 1 counts pixels.
        sign: -1 if a small area is severe, as in atrophy, so that a higher value is always more severe.

    Raises:
        ValueError: ``pixel_area`` is not positive, or ``sign`` is neither 1 nor -1; in a call, the network's output has
            another shape or no channel ``label``.

    Example:
        >>> import torch
        >>> from monai_minority.evaluation.severity import LabelArea
        >>> bright = torch.nn.Identity()  # in place of a network: positive pixels have the label
        >>> images = torch.full((1, 1, 8, 8), -1.0)
        >>> images[..., :2, :4] = 1.0
        >>> LabelArea(bright, pixel_area=0.5)(images).tolist()  # 8 pixels
        [4.0]
    """

    def __init__(
        self,
        network: nn.Module,
        label: int = 0,
        *,
        exclusive: bool = True,
        prepare: Callable[[Tensor], Tensor] | None = None,
        size: int | None = None,
        pixel_area: float = 1.0,
        sign: int = 1,
    ) -> None:
        super().__init__()
        if not pixel_area > 0 or sign not in (1, -1):
            raise ValueError(f"pixel_area must be positive and sign 1 or -1, got {pixel_area} and {sign}")
        self.network = network.eval()
        self.label = label
        self.exclusive = exclusive
        self.prepare = prepare
        self.size = size
        self.pixel_area = pixel_area
        self.sign = sign

    @classmethod
    def from_bundle(
        cls,
        bundle: str | os.PathLike[str],
        label: int = 0,
        *,
        weights: str | os.PathLike[str] = "models/model.pt",
        config: str | None = None,
        network: str = "network_def",
        **options: Any,
    ) -> Self:
        """Construct the measure with the network of a MONAI bundle.

        The configuration of a bundle can run any code, so use only bundles that you trust. Weights are read without
        running code.

        Args:
            bundle: folder of the bundle.
            label: channel of the label.
            weights: file of the network's weights, in the bundle's folder or elsewhere.
            config: name of the configuration in ``configs/`` that defines the network; ``None`` takes ``inference`` or
                ``train``, in JSON or YAML, whichever exists.
            network: id of the network in the configuration.
            options: arguments of the constructor.

        Raises:
            FileNotFoundError: the configuration or the weights are missing.
            ValueError: the configuration has no such id, or the weights do not fit.
        """
        folder = Path(bundle)
        names = (
            [config] if config else [f"{n}.{end}" for n in ("inference", "train") for end in ("json", "yaml", "yml")]
        )
        path = next((folder / "configs" / name for name in names if (folder / "configs" / name).is_file()), None)
        if path is None:
            raise FileNotFoundError(f"{folder}/configs has none of {', '.join(names)}; give its name as config")
        parser = ConfigParser()
        parser.read_config(str(path))
        if network not in parser:
            raise ValueError(f"{path} has no {network!r}; give the network's id as network")
        parser["bundle_root"] = str(folder)
        return cls(load_checkpoint(parser.get_parsed_content(network), folder / weights), label, **options)

    def extra_repr(self) -> str:
        """The settings, for the record of a stage."""
        kept = ("label", "exclusive", "size", "pixel_area", "sign")
        prepare = getattr(self.prepare, "__qualname__", type(self.prepare).__name__)
        return ", ".join([*(f"{name}={getattr(self, name)}" for name in kept), f"prepare={prepare}"])

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Measure images.

        Args:
            images: ``[B, C, H, W]`` in [-1, 1], on any device.

        Returns:
            float64 ``[B]`` on the CPU: the area, with ``sign``.
        """
        self.network.eval()
        device = next((parameter.device for parameter in self.network.parameters()), images.device)
        x = images.to(device)
        pixels = x.shape[-2] * x.shape[-1]
        x = x if self.prepare is None else self.prepare(x)
        if self.size is not None:
            x = interpolate(x, (self.size, self.size), mode="bilinear", antialias=True)
        logits = self.network(x)
        if logits.ndim != 4 or len(logits) != len(images) or not 0 <= self.label < logits.shape[1]:
            raise ValueError(
                f"the network must return logits [{len(images)}, K, h, w] with a channel {self.label} (label), "
                f"got {list(logits.shape)}"
            )
        if self.exclusive and logits.shape[1] > 1:
            found = logits.argmax(dim=1) == self.label
        else:
            found = logits[:, self.label] > 0
        return self.sign * found.double().mean(dim=(1, 2)).cpu() * pixels * self.pixel_area
