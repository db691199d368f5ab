"""The class-balancing loss against its formula and against what its optimum must be."""

import pytest
import torch

from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.inferers import DenoisingInferer, LabelPair
from monai_minority.training import ClassBalancingLoss, DenoisingLoss, DenoisingTargets, NoisingPrepareBatch

T = torch.tensor([0, 250, 999])
WEIGHTS = torch.tensor([1.0, 2.0, 0.5])


def targets_of():
    return DenoisingTargets(torch.rand(3, 1, 4, 4) * 2 - 1, torch.randn(3, 1, 4, 4), T, WEIGHTS)


def loss_of(prediction_type="epsilon", **options):
    return ClassBalancingLoss(DenoisingLoss(RespacedDDPMScheduler(1000, prediction_type=prediction_type)), **options)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("channels", [1, 2])
def test_regulariser_is_the_formula_in_noise_whatever_the_network_predicts(prediction_type, channels):
    loss, targets = loss_of(prediction_type, strength=2.0, commitment=0.25), targets_of()
    own, other = torch.randn(2, 3, channels, 4, 4).unbind()
    alpha = loss.loss.scheduler.alphas_cumprod[T].float()
    squares = (own - other)[:, :1].square().mean((1, 2, 3))  # learned variances are no part of it
    if prediction_type == "v_prediction":
        squares = alpha * squares  # e = sqrt(a) v + sqrt(1 - a) x_t
    expected = 2.0 * T / 1000 * 1.25 * squares
    torch.testing.assert_close(loss.regulariser(LabelPair(own, other), targets), expected, rtol=2e-3, atol=1e-6)
    total = loss(LabelPair(own, other), targets)
    torch.testing.assert_close(total, loss.loss(own, targets) + WEIGHTS * expected, rtol=2e-3, atol=1e-5)


def test_each_side_pulls_the_other_by_its_own_share():
    """d/d own = tau t/T 2 (own - other) / pixels, d/d other = -gamma of it: the stopped gradients."""
    loss, targets = loss_of(strength=1.0, commitment=0.25), targets_of()
    own, other = (torch.randn(3, 1, 4, 4, requires_grad=True) for _ in range(2))
    loss.regulariser(LabelPair(own, other), targets).sum().backward()
    expected = 2 * (T / 1000)[:, None, None, None] * (own - other).detach() / 16
    torch.testing.assert_close(own.grad, expected)
    torch.testing.assert_close(other.grad, -0.25 * expected)


def test_optimum_of_two_labels():
    """Estimates ``e`` of two labels of shares .9 and .1 and noise 1 and -1, at t / T = 1/2, tau = 1, gamma = 1/4: they
    end where ``share_c (e_c - m_c) + k_c (e_c - e_c') = 0`` with ``k_c = t / T (share_c + gamma share_c') / 2``."""
    share, means, tau_t, gamma = torch.tensor([0.9, 0.1]), torch.tensor([1.0, -1.0]), 0.5, 0.25
    k = tau_t / 2 * (share + gamma * share.flip(0))
    matrix = torch.diag(share + k) - torch.tensor([[0.0, k[0]], [k[1], 0.0]])
    expected = torch.linalg.solve(matrix, share * means)

    estimates = torch.zeros(2, requires_grad=True)
    scheduler = RespacedDDPMScheduler(1000)
    loss = ClassBalancingLoss(DenoisingLoss(scheduler), strength=1.0, commitment=gamma)
    labels = torch.tensor([0] * 18 + [1] * 2).repeat_interleave(2)
    others = torch.tensor([0, 1]).repeat(20)
    targets = DenoisingTargets(
        torch.zeros(40, 1, 1, 1), means[labels].view(-1, 1, 1, 1), torch.full((40,), 500), torch.ones(40)
    )
    optimizer = torch.optim.SGD([estimates], lr=0.5)
    for _ in range(400):
        optimizer.zero_grad()
        pair = LabelPair(estimates[labels].view(-1, 1, 1, 1), estimates[others].view(-1, 1, 1, 1))
        loss(pair, targets).mean().backward()
        optimizer.step()
    torch.testing.assert_close(estimates.detach(), expected, rtol=1e-3, atol=1e-4)
    assert expected[1] > -1 + 0.5, "the rare label has learned from the frequent one"


def test_equal_estimates_and_validation_cost_nothing_more():
    loss, targets, own = loss_of(), targets_of(), torch.randn(3, 1, 4, 4)
    torch.testing.assert_close(loss(LabelPair(own, own), targets), loss.loss(own, targets))
    torch.testing.assert_close(loss(own, targets), loss.loss(own, targets))


def test_negative_strength():
    with pytest.raises(ValueError, match="strength and commitment must not be negative, got -1"):
        loss_of(strength=-1)


def test_inferer_asks_for_both_labels_of_the_same_noised_images():
    scheduler, targets = RespacedDDPMScheduler(1000), targets_of()

    def network(x, t, class_labels):
        return x * (1 + class_labels.view(-1, 1, 1, 1)) + t.view(-1, 1, 1, 1)

    x_t = scheduler.add_noise(targets.images, targets.noise, T)
    c, other = torch.tensor([0, 1, 2]), torch.tensor([3, 0, 1])
    pair = DenoisingInferer(scheduler)(targets.images, network, targets.noise, T, c, other)
    for found, labels in zip(pair, (c, other), strict=True):
        torch.testing.assert_close(found, network(x_t, T, labels))
    with pytest.raises(ValueError, match="class_labels must be given beside other_labels"):
        DenoisingInferer(scheduler)(targets.images, network, targets.noise, T, None, other)


def test_other_labels_are_uniform_and_change_no_other_draw():
    batch = {
        "image": torch.zeros(3000, 1, 2, 2),
        "class_label": torch.zeros(3000),
        "step": 4,
        "offset": 0,
        "total": 3000,
    }
    plain = NoisingPrepareBatch(1000, seed=1)(batch)[3]
    drawn = NoisingPrepareBatch(1000, seed=1, other_labels=3)(batch)[3]
    counts = torch.bincount(drawn["other_labels"], minlength=3)
    assert counts.sum() == 3000 and (counts - 1000).abs().max() < 100
    assert "other_labels" not in plain
    assert torch.equal(plain["noise"], drawn["noise"]) and torch.equal(plain["timesteps"], drawn["timesteps"])
    half = {key: value[1000:] if torch.is_tensor(value) else value for key, value in batch.items()}
    part = NoisingPrepareBatch(1000, seed=1, other_labels=3)(half | {"offset": 1000})[3]
    assert torch.equal(part["other_labels"], drawn["other_labels"][1000:]), "whatever the number of processes"
