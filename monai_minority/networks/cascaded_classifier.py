"""A minority classifier on the features of a frozen noisy-image classifier."""

from typing import Any

from torch import Tensor, nn

from monai_minority.networks.adm.encoder import ADMEncoder


class CascadedClassifier(nn.Module):
    """A shallow encoder that reads the last feature map of a frozen, noise-aware ADM classifier.

    The minority classifier of LSUN-Bedrooms and ImageNet (Um et al., 2024, Appendix C): a published ADM
    classifier gives 8 x 8 x 512 features of the noisy image, and the head, which alone is trained, classifies
    them. Gradients pass through the extractor to the image; its own parameters get none, and it stays in
    evaluation mode when the cascade trains.

    Args:
        extractor: pretrained classifier; it is frozen in place.
        head: encoder whose ``in_channels`` and ``image_size`` are the extractor's ``feature_channels`` and
            ``feature_size``; class-conditional for ``p(l | x_t, c)``.

    Raises:
        ValueError: if head and extractor do not fit each other.
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
        """Set the mode of the head; the extractor is always in evaluation mode."""
        super().train(mode)
        self.extractor.eval()
        return self

    def requires_grad_(self, requires_grad: bool = True) -> "CascadedClassifier":
        """Freeze or release the head; the extractor is always frozen."""
        self.head.requires_grad_(requires_grad)
        return self

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor | None = None,
        class_labels: Tensor | None = None,
    ) -> Tensor:
        """Logits of noisy images.

        Args:
            x: noisy images ``[B, C, H, W]`` of the extractor's size.
            timesteps: ``[B]`` or ``[1]``, training indices; fractions are allowed.
            context: must be ``None``; there is no cross-attention.
            class_labels: ``[B]`` integers, given to whichever of the two parts is class-conditional.

        Returns:
            ``[B, out_channels]`` in the type of ``x``.
        """
        if class_labels is not None and self.num_classes is None:
            raise ValueError("class_labels must be None: neither head nor extractor is class-conditional.")

        def labels_for(part: ADMEncoder) -> Any:
            return None if part.num_classes is None else class_labels

        features = self.extractor.features(x, timesteps, labels_for(self.extractor))
        return self.head(features, timesteps, context, labels_for(self.head))
