"""Nearest images in pixel space, also if the query was mirrored or moved by a few pixels."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from monai_minority.evaluation.features import Images
from monai_minority.evaluation.nearest import NearestReal
from monai_minority.progress import progress_bar

COARSE_SIDE = 16
"""Approximate side of the images in the first search, which costs little and hardly depends on a move by a pixel."""

MIRRORS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,))
"""Axes along which a query is mirrored: none, left and right, up and down."""


class AlignedPixels:
    """Search for the images most similar to a query, also if the query was mirrored or moved.

    The distance between two images is the root mean square difference of their pixels. The smallest value counts over
    the query itself, the query mirrored along either axis, and its moves by up to ``max_shift`` pixels in each
    direction. The mean leaves out a frame of ``max_shift`` pixels, because a move fills it with unknown values. The
    distance is computed, to about 1e-3, for the ``candidates`` that are nearest at a coarse size, where every second
    move is tried.

    Memory is that of the coarse images and of one batch of candidates.

    Args:
        images: images ``[C, H, W]`` in [-1, 1], at least two.
        max_shift: largest move in pixels; 0 compares images without moves.
        candidates: number of images from the coarse search that are compared pixel by pixel.
        batch_size: queries in a batch.

    Raises:
        ValueError: ``max_shift`` is negative or leaves no pixels, or ``candidates`` is not positive.
    """

    def __init__(self, images: Images, max_shift: int = 3, candidates: int = 16, batch_size: int = 64) -> None:
        self.images, self.max_shift, self.batch_size = images, max_shift, batch_size
        first = images.batch([0])
        self.side = min(first.shape[-2:])
        if not 0 <= 2 * max_shift < self.side:
            raise ValueError(f"max_shift must be in [0, {(self.side - 1) // 2}] for this size, got {max_shift}")
        if candidates < 1:
            raise ValueError(f"candidates must be positive, got {candidates}")
        self.candidates = min(candidates, len(images) - 1)
        rows = np.split(np.arange(len(images)), range(batch_size, len(images), batch_size))
        coarse = torch.cat([self._coarse(images.batch(part)) for part in rows])
        self._centre = coarse.mean(0)
        self._centred = coarse - self._centre  # so that products lose no digits
        self._lengths = self._centred.square().sum(1)

    def nearest(self, queries: Images, rows: Sequence[int] | np.ndarray, progress: bool = False) -> NearestReal:
        """The candidates of each query, nearest first.

        Args:
            queries: images to search for.
            rows: rows of ``queries`` to use, ``[Q]``.
            progress: whether to show a progress bar.

        Returns:
            Root mean square differences ``[Q, candidates]`` of pixels in [-1, 1], and rows of the images.
        """
        batches = np.split(np.asarray(rows), range(self.batch_size, len(rows), self.batch_size))
        bar = progress_bar(batches, "pixels", unit="batch", enabled=progress)
        found = [self._batch(queries.batch(part)) for part in bar]
        distances, indices = (torch.cat(part).numpy() for part in zip(*found, strict=True))
        order = np.argsort(distances, axis=1, kind="stable")
        return NearestReal(np.take_along_axis(distances, order, axis=1), np.take_along_axis(indices, order, axis=1))

    def _batch(self, query: Tensor) -> tuple[Tensor, Tensor]:
        indices = self._candidates(query)
        unique, place = np.unique(indices, return_inverse=True)
        places = torch.from_numpy(place.reshape(indices.shape))
        images = self.images.batch(unique)
        s, (height, width) = self.max_shift, query.shape[-2:]
        lengths = _squared_lengths(images, (height - 2 * s, width - 2 * s))[places].flip(-1)  # as the frames come
        others = images.flatten(1)
        best = torch.empty(indices.shape)
        for number, one in enumerate(query):
            # Its inner part in a frame of zeros, once for each mirror and move: one product has them all.
            inner = F.pad(one, (-s, -s, -s, -s))
            versions = torch.stack([F.pad(inner.flip(axes), (2 * s, 2 * s, 2 * s, 2 * s)) for axes in MIRRORS])
            moved = versions.unfold(-2, height, 1).unfold(-2, width, 1).permute(0, 2, 3, 1, 4, 5)
            products = others[places[number]] @ moved.reshape(-1, others.shape[1]).T
            squared = lengths[number] - 2 * products.view(-1, len(MIRRORS), lengths.shape[-1]).amax(1)
            best[number] = (squared + inner.double().square().sum()).amin(-1)
        return best.clamp(min=0).div(inner.numel()).double().sqrt(), torch.from_numpy(indices)

    def _candidates(self, query: Tensor) -> np.ndarray:
        """Rows ``[B, candidates]`` of the images nearest to any mirrored and moved version, at the coarse size."""
        s = self.max_shift
        height, width = query.shape[-2:]
        padded = F.pad(query, (s, s, s, s), mode="replicate")
        moves = sorted({s, *range(0, 2 * s + 1, 2)})  # no move, and every move is at most a pixel from one of these
        best = torch.full((len(query), len(self._centred)), torch.inf)
        for axes in MIRRORS:
            for top in moves:
                for left in moves:
                    version = self._coarse(padded[..., top : top + height, left : left + width].flip(axes))
                    version = version - self._centre
                    squared = torch.addmm(self._lengths, version, self._centred.T, alpha=-2)
                    best = torch.minimum(best, squared.add_(version.square().sum(1, keepdim=True)))
        return best.topk(self.candidates, largest=False).indices.numpy()

    def _coarse(self, images: Tensor) -> Tensor:
        return F.avg_pool2d(images, max(1, self.side // COARSE_SIDE), ceil_mode=True).flatten(1)


def _squared_lengths(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Sums of squares ``[N, moves]``, float64, of every part of a ``size`` in images ``[N, C, H, W]``, row by row."""
    sums = F.pad(images.double().square().sum(1).cumsum(-1).cumsum(-2), (1, 0, 1, 0))
    height, width = size
    tall = sums[:, height:] - sums[:, :-height]
    return (tall[..., width:] - tall[..., :-width]).flatten(1)
