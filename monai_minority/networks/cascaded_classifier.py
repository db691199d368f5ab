"""A minority classifier on the features of a frozen noisy-image classifier."""

from typing import Any

from torch import Tensor, nn

from monai_minority.networks.adm.encoder import ADMEncoder


class CascadedClassifier(nn.Module):
    """A shallow encoder on the last feature map of a frozen, noise-aware ADM classifier (Um et al., 2024, Appendix C).

    This is the minority classifier for LSUN-Bedrooms and ImageNet. A published ADM classifier gives 8 x 8 x 512
    features of the noisy image, and only the head is trained on them. Gradients flow through the extractor to the
    image. The extractor's parameters are frozen, and it stays in evaluation mode.

    Args:
        extractor: pretrained classifier. It is frozen in place.
        head: encoder with ``in_channels`` and ``image_size`` equal to the extractor's ``feature_channels`` and
            ``feature_size``. It is class-conditional for ``p(l | x_t, c)``.

    Raises:
        ValueError: if head and extractor do not fit each other.

    Example:
        >>> import torch
        >>> from monai_minority.networks import ADMConfig, ADMEncoder, CascadedClassifier
        >>> config = ADMConfig(
        ...     image_size=16,
        ...     in_channels=1,
        ...     model_channels=32,
        ...     out_channels=1000,
        ...     num_res_blocks=1,
        ...     attention_resolutions=[],
        ...     channel_mult=[1, 2],
        ... )
        >>> extractor = ADMEncoder(config)  # in practice from_guided_diffusion
        >>> head = ADMEncoder(config, in_channels=64, image_size=8, out_channels=10)
        >>> classifier = CascadedClassifier(extractor, head)
        >>> classifier(torch.zeros(2, 1, 16, 16), torch.tensor([10, 999])).shape
        torch.Size([2, 10])
    """

    def __init__(self, extractor: ADMEncoder, head: ADMEncoder) -> None:
        super().__init__()
        features = (extractor.feature_channels, extractor.feature_size)
        if (head.in_channels, head.image_size) != features:
            raise ValueError(
                f"head must be built with in_channels={features[0]} and image_size={features[1]}, the "
                f"features of the extractor, got in_channels={head.in_channels} and "
                f"image_size={head.image_size}."
            )
        self.extractor = extractor.requires_grad_(False)
        self.head = head
        self.num_classes = head.num_classes if head.num_classes is not None else extractor.num_classes
        """Number of class labels to condition on, ``None`` if neither part is class-conditional."""
        self.out_channels = head.out_channels
        self.train(self.training)

    def train(self, mode: bool = True) -> "CascadedClassifier":
        """Set the mode of the head. The extractor stays in evaluation mode."""
        super().train(mode)
        self.extractor.eval()
        return self

    def requires_grad_(self, requires_grad: bool = True) -> "CascadedClassifier":
        """Freeze or unfreeze the head. The extractor stays frozen."""
        self.head.requires_grad_(requires_grad)
        return self

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor | None = None,
        class_labels: Tensor | None = None,
    ) -> Tensor:
        """Logits ``[B, out_channels]`` of noisy images, in the type of ``x``. The call is :meth:`ADMUNet.forward`'s.

        Each class-conditional part receives the labels.

        Raises:
            ValueError: if ``class_labels`` are given and neither part is class-conditional.
        """
        if class_labels is not None and self.num_classes is None:
            raise ValueError("class_labels must be None: neither head nor extractor is class-conditional.")

        def labels_for(part: ADMEncoder) -> Any:
            return None if part.num_classes is None else class_labels

        features = self.extractor.features(x, timesteps, labels_for(self.extractor))
        return self.head(features, timesteps, context, labels_for(self.head))
