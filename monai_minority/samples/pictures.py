"""Rows of images as matplotlib figures. Generated images are marked in the picture itself."""

from collections.abc import Sequence

import matplotlib.patheffects as effects
import numpy as np
import torch
from matplotlib.figure import Figure

GAP = 4
SIDE = 1.05
CAPTION = 0.22
"""Room for a line of text under an image of the usual side in inches, as a share of its height."""


def picture_rows(
    rows: Sequence[torch.Tensor],
    labels: Sequence[str],
    title: str,
    captions: Sequence[Sequence[str]] | None = None,
    synthetic: Sequence[Sequence[bool]] | None = None,
    side: float = SIDE,
) -> Figure:
    """Draw labelled rows of images, with captions below them and the word "synthetic" on generated images.

    Args:
        rows: images ``[B, C, H, W]`` in [-1, 1] for each row. Rows may differ in length.
        labels: label of each row.
        title: title of the figure.
        captions: text of one or more lines for each image.
        synthetic: whether each image is generated.
        side: side of an image in inches.
    """
    channels, height, width = rows[0].shape[1:]
    columns = max(len(row) for row in rows)
    lines = max((text.count("\n") + 1 for texts in captions for text in texts), default=1) if captions else 0
    below = round(height * CAPTION * lines * SIDE / side)
    canvas = np.ones((len(rows) * (height + below + GAP), columns * (width + GAP), 3), np.float32)
    figure = Figure(figsize=(columns * side + 1.2, canvas.shape[0] / width * side + 0.5))
    axes = figure.add_subplot()
    for i, row in enumerate(rows):
        coloured = row if channels == 3 else row[:, :1].expand(-1, 3, -1, -1)
        tiles = coloured.clamp(-1, 1).add(1).div(2).permute(0, 2, 3, 1).cpu().numpy()
        for j, tile in enumerate(tiles):
            top, left = i * (height + below + GAP), j * (width + GAP)
            canvas[top : top + height, left : left + width] = tile
            if synthetic is not None and synthetic[i][j]:
                mark = axes.text(left + width / 2, top + height - 1, "synthetic", ha="center", va="bottom", fontsize=6)
                mark.set(color="white", path_effects=[effects.withStroke(linewidth=1.5, foreground="black")])
            if captions is not None:
                text = captions[i][j]
                axes.text(left + width / 2, top + height + below / 2 + 1, text, ha="center", va="center", fontsize=7)
    axes.imshow(canvas, interpolation="nearest", aspect="equal")
    axes.set_yticks([i * (height + below + GAP) + height / 2 for i in range(len(rows))], labels, fontsize=8)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=10, loc="left")
    return figure
