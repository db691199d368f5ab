"""Each part of the low-density gradient against finite differences of its formula, written out in float64."""

import math

import pytest
import torch
from torch import nn

from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.guidance import LowDensityGuidance, SamplingState

WEIGHT = torch.randn(3, 4, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
REAL = torch.randn(4, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
MEANS = torch.randn(3, 3, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
X = torch.randn(4, 1, 2, 2, generator=torch.Generator().manual_seed(9))
T = torch.zeros(4).long()
LABELS = torch.tensor([2, 0, 1, 1])


def state(labels=None):
    return SamplingState(X, T, RespacedDDPMScheduler(1000), class_labels=labels)


class Classifier(nn.Module):
    def forward(self, x, timesteps):
        return x.flatten(1) @ WEIGHT.to(x).T


class Discriminator(nn.Module):
    def __init__(self, logits: int) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, x, timesteps):
        real = x.flatten(1) @ REAL.to(x)
        return real[:, None] if self.logits == 1 else torch.stack([0.3 * real, 1.3 * real], dim=1)


def softmax(values):
    e = [math.exp(v) for v in values]
    return [v / sum(e) for v in e]


def finite_differences(formula, step=1e-5):
    gradient = torch.zeros(4, 4, dtype=torch.float64)
    for i in range(4):
        for j in range(4):
            up, down = X[i].double().flatten(), X[i].double().flatten()
            up[j] += step
            down[j] -= step
            gradient[i, j] = (formula(up, int(LABELS[i])) - formula(down, int(LABELS[i]))) / (2 * step)
    return gradient.view(4, 1, 2, 2)


def cosine(a, b):
    return float(a @ b / (a.norm() * b.norm()))


def hardness_with_labels(x, c):
    return -math.log(softmax((WEIGHT @ x / 0.5).tolist())[c])


def hardness_without_labels(x, c):
    return -sum(p * math.log(p) for p in softmax((WEIGHT @ x / 0.5).tolist()))


def hardness_of_features(x, c):
    return -math.log(softmax([cosine(WEIGHT @ x, mean) / 0.5 for mean in MEANS])[c])


def hardness_from_the_mean_image(x, c):
    return -cosine(WEIGHT @ x, MEANS[0]) / 0.5


CASES = {
    "labels": (hardness_with_labels, None, LABELS),
    "no labels": (hardness_without_labels, None, None),
    "features": (hardness_of_features, MEANS, LABELS),
    "features, no labels": (hardness_from_the_mean_image, MEANS[:1], None),
}


@pytest.mark.parametrize("case", CASES)
def test_hardness(case):
    formula, means, labels = CASES[case]
    term = LowDensityGuidance(Classifier(), scale=1.5, class_means=means, temperature=0.5, normalize=False)
    gradient = term.gradient(state(labels)).double()
    torch.testing.assert_close(gradient, 1.5 * finite_differences(formula), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("logits", [1, 2])
def test_realism(logits):
    """Two logits that differ by the one logit mean the same probability."""
    term = LowDensityGuidance(discriminator=Discriminator(logits), realism=0.8, normalize=False)
    expected = finite_differences(lambda x, c: -math.log1p(math.exp(-float(REAL @ x))))
    torch.testing.assert_close(term.gradient(state()).double(), 0.8 * expected, rtol=1e-4, atol=1e-5)


def test_a_discriminator_conditional_on_labels_gets_them_and_the_classifier_never_does():
    class Conditional(Discriminator):
        num_classes = 3

        def forward(self, x, timesteps, class_labels):
            return (1 + class_labels)[:, None] * super().forward(x, timesteps)

    term = LowDensityGuidance(Classifier(), Conditional(1), scale=0.0, realism=1.0, normalize=False)
    expected = finite_differences(lambda x, c: -math.log1p(math.exp(-(1 + c) * float(REAL @ x))))
    gradient = term.gradient(state(LABELS)).double()
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-5)
    hard = LowDensityGuidance(Classifier(), scale=1.0, normalize=False).gradient(state(LABELS))
    assert hard.abs().max() > 0, "its call takes no labels"


def test_parts_are_normalised_before_they_add():
    hard = finite_differences(hardness_with_labels)
    real = finite_differences(lambda x, c: -math.log1p(math.exp(-float(REAL @ x))))
    expected = 0.2 * hard / hard.abs().amax((1, 2, 3), keepdim=True)
    expected += 0.7 * real / real.abs().amax((1, 2, 3), keepdim=True)
    term = LowDensityGuidance(Classifier(), Discriminator(1), scale=0.2, realism=0.7, temperature=0.5)
    gradient = term.gradient(state(LABELS)).double()
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-5)


def test_bad_arguments():
    with pytest.raises(ValueError, match="classifier and discriminator are both None"):
        LowDensityGuidance()
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        LowDensityGuidance(Classifier(), temperature=0)
    with pytest.raises(ValueError, match="one or two logits an image, got 3"):
        LowDensityGuidance(discriminator=Classifier()).gradient(state())
