"""The classifier sees what Eq. 1 makes of the images, at the right timesteps."""

import pytest
import torch
from monai.engines import SupervisedTrainer
from torch import nn

from monai_minority.diffusion import RespacedDDPMScheduler, SeededNoise
from monai_minority.inferers import NoisyClassifierInferer


class Echo(nn.Module):
    """Gives back what it was fed, image and timestep."""

    def forward(self, x, timesteps):
        return torch.cat([x.flatten(1), timesteps.float()[:, None]], dim=1)


@pytest.fixture
def scheduler():
    return RespacedDDPMScheduler(4000, "improved_cosine", rescale_timesteps=True)


IMAGES = torch.rand(5, 1, 2, 3) * 2 - 1


def test_given_noise_and_timesteps(scheduler):
    t, noise = torch.tensor([0, 10, 2000, 3998, 3999]), torch.randn(5, 1, 2, 3)
    out = NoisyClassifierInferer(scheduler)(IMAGES, Echo(), timesteps=t, noise=noise)
    a = scheduler.alphas_cumprod[t].view(-1, 1, 1, 1)
    x_t = a.sqrt() * IMAGES.double() + (1 - a).sqrt() * noise.double()
    torch.testing.assert_close(out[:, :-1].double(), x_t.flatten(1), rtol=0, atol=1e-6)
    torch.testing.assert_close(out[:, -1], t / 4)


def test_seeds_fix_timestep_and_noise_of_each_image(scheduler):
    inferer, seeds = NoisyClassifierInferer(scheduler), torch.tensor([4, 9, 2, 7, 1])
    whole = inferer(IMAGES, Echo(), seeds=seeds)
    for i in range(5):
        alone = inferer(IMAGES[i : i + 1], Echo(), seeds=seeds[i : i + 1])
        torch.testing.assert_close(alone[0], whole[i], rtol=0, atol=1e-6)
    streams = SeededNoise(seeds, (1, 2, 3))
    t = streams.integers(4000)
    torch.testing.assert_close(whole[:, -1], t / 4)
    expected = scheduler.add_noise(IMAGES, streams(), t)
    torch.testing.assert_close(whole[:, :-1], expected.flatten(1), rtol=0, atol=1e-6)


def test_training_draws_uniformly(scheduler):
    images = torch.zeros(4000, 1, 1, 1)
    drawn = NoisyClassifierInferer(scheduler)(images, Echo())[:, -1] * 4
    counts = torch.histc(drawn, bins=8, min=0, max=4000)
    assert ((counts - 500).abs() < 90).all()  # more than four standard deviations


def test_grid_classifies_every_image_at_every_level(scheduler):
    grid, noise = [0, 1000, 3999], torch.randn(3, 5, 1, 2, 3)
    out = NoisyClassifierInferer(scheduler, grid)(IMAGES, Echo(), noise=noise)
    plain = NoisyClassifierInferer(scheduler)
    for level, t in enumerate(grid):
        expected = plain(IMAGES, Echo(), timesteps=torch.full((5,), t), noise=noise[level])
        assert torch.equal(out[:, level], expected)
    first, second = (NoisyClassifierInferer(scheduler, grid)(IMAGES, Echo(), seeds=range(5)) for _ in range(2))
    assert torch.equal(first, second)


def test_labels_reach_conditional_classifiers_alone(scheduler):
    class Conditional(Echo):
        num_classes = 9

        def forward(self, x, timesteps, class_labels=None):
            return class_labels[:, None]

    labels = torch.arange(5)
    inferer = NoisyClassifierInferer(scheduler)
    assert torch.equal(inferer(IMAGES, Conditional(), class_labels=labels)[:, 0], labels.float())
    assert inferer(IMAGES, Echo(), class_labels=labels).shape == (5, 7)


def test_bad_arguments(scheduler):
    with pytest.raises(ValueError, match=r"grid must hold training timesteps in \[0, 4000\), got \[4000\]"):
        NoisyClassifierInferer(scheduler, [4000])
    with pytest.raises(ValueError, match="timesteps must be None"):
        NoisyClassifierInferer(scheduler, [0])(IMAGES, Echo(), timesteps=torch.zeros(5).long())


def test_trains_a_classifier_in_a_supervised_trainer():
    """Bright and dark images are told apart, also through noise."""
    scheduler = RespacedDDPMScheduler(1000, "improved_linear")
    labels = torch.arange(64) % 2
    images = (labels * 2.0 - 1).view(-1, 1, 1, 1).expand(-1, 1, 4, 4) * 0.8

    class Brightness(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(1, 2)

        def forward(self, x, timesteps):
            return self.linear(x.mean((1, 2, 3))[:, None])

    network = Brightness()
    data = [{"image": image, "label": label} for image, label in zip(images, labels, strict=True)]
    SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=30,
        train_data_loader=torch.utils.data.DataLoader(data, batch_size=32),
        network=network,
        optimizer=torch.optim.Adam(network.parameters(), 0.1),
        loss_function=nn.CrossEntropyLoss(),
        inferer=NoisyClassifierInferer(scheduler),
        decollate=False,
    ).run()
    network.eval()
    logits = NoisyClassifierInferer(scheduler, [0, 200, 999])(images, network, seeds=range(64))
    accuracy = (logits.argmax(-1) == labels[:, None]).float().mean(0)
    assert accuracy[0] == 1
    assert accuracy[1] == 1
    assert 0.3 < accuracy[2] < 0.75  # nothing is left of the image at the end of the chain
