"""Distance at the place where two images differ most."""

from torch import Tensor
from torch.nn.functional import avg_pool2d

from .distance import Distance, Embedding


class LocalPeak(Distance):
    """Largest difference of the means within a window, at least a margin inside the head or body.

    A mean over all pixels is ruled by what differs a little everywhere or much at the rim: noise, scalp, skull base. A
    lesion differs in one place. Averaging over a window removes the noise, the margin leaves out the rim, and the
    largest value finds the place.

    Args:
        window: side of the window, an odd number of pixels; about the size of what is sought.
        margin: pixels from the background that a window's centre must keep.
        background: images are above it inside the head or body, in [-1, 1].

    Raises:
        ValueError: ``window`` is not odd and positive, or ``margin`` is negative.

    Example:
        >>> import torch
        >>> from monai_minority.scoring import LocalPeak
        >>> head = torch.zeros(1, 1, 12, 12)
        >>> lesion, rim = head.clone(), head.clone()
        >>> lesion[..., 5:8, 5:8], rim[..., :1, :] = 0.5, 1.0
        >>> distance = LocalPeak(window=3, margin=2)
        >>> distance(head, lesion), distance(head, rim)
        (tensor([0.5000]), tensor([0.]))
    """

    def __init__(self, window: int = 9, margin: int = 8, background: float = -0.9) -> None:
        super().__init__()
        if window < 1 or window % 2 == 0 or margin < 0:
            raise ValueError(f"window must be odd and positive and margin at least 0, got {window} and {margin}")
        self.window, self.margin, self.background = window, margin, background

    def embed(self, x: Tensor) -> list[Tensor]:
        """Means within the window, and where its centre is inside, both as maps of images ``[B, C, H, W]``."""
        head, side = (x > self.background).any(1, keepdim=True).to(x.dtype), 2 * self.margin + 1
        share = avg_pool2d(head, side, 1, self.margin)  # beyond the picture there is background
        return [avg_pool2d(x, self.window, 1, self.window // 2, count_include_pad=False), (share > 0.98).to(x.dtype)]

    def compare(self, a: Embedding, b: Embedding) -> Tensor:
        """Distances ``[B]`` between embeddings, inside the first image; 0 if it is nowhere inside."""
        return ((a[0] - b[0]).abs() * a[1]).flatten(1).amax(1)
