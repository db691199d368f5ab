"""Pictures of reconstructions."""

import numpy as np
import torch
from ignite.engine import Engine
from torch import nn

from monai_minority.data import ImageStore
from monai_minority.networks import LatentAutoencoder
from monai_minority.training import ReconstructionGrid
from tests.toy_autoencoder import SwappedBlocks


class Dark(nn.Module):
    def encode(self, images):
        return SwappedBlocks(gain=1.0, sigma=0.7).encode(images)

    def decode(self, latents):
        return SwappedBlocks().decode(latents) - 1


def test_images_are_above_their_reconstructions(tmp_path):
    values = np.linspace(128, 255, 9).astype(np.uint8)
    images = np.broadcast_to(values[:, None, None, None], (9, 1, 8, 8)).copy()
    store = ImageStore.create(tmp_path / "s", images, {"source": list(range(9)), "slice": 0}, (0, 255))
    pictures = []

    class Writer:
        def add_image(self, tag, grid, step):
            pictures.append((tag, grid, step))

    network = LatentAutoencoder(Dark()).train()
    engine = Engine(lambda *_: None)
    engine.state.device = torch.device("cpu")
    ReconstructionGrid(network, store, Writer(), count=3).attach(engine)
    engine.run([0, 0], max_epochs=1)
    ((tag, grid, step),) = pictures
    assert (tag, step) == ("real_above_reconstructed", 2)
    assert grid.shape == (3, 2 * 10 + 2, 3 * 10 + 2)
    shown = grid[0, 6::10, 6::10]
    expected = torch.from_numpy(values[[0, 4, 8]] / 255.0).float()
    torch.testing.assert_close(shown[0], expected)
    torch.testing.assert_close(shown[1], expected - 0.5)  # by 1 of [-1, 1], without noise
    assert network.training
