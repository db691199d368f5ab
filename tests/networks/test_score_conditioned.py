"""The condition does nothing before training and nothing where it is null; else it shifts the timestep's embedding."""

import copy

import pytest
import torch
from monai.networks.nets import DiffusionModelUNet
from torch import nn

from monai_minority.networks import ADMUNet, ScoreConditioned, SpaceToDepth
from monai_minority.networks.score_conditioned import NO_RANK

X, T = torch.randn(3, 1, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 400, 999])
RANKS = torch.tensor([0.0, 0.5, 1.0])


def monai_unet(channels=4, **options):
    return DiffusionModelUNet(
        spatial_dims=2,
        in_channels=channels,
        out_channels=channels,
        channels=[8, 16],
        attention_levels=[False, True],
        num_res_blocks=1,
        num_head_channels=8,
        norm_num_groups=4,
        **options,
    )


@pytest.fixture(params=["monai", "adm"])
def backbone(request, awake, small):
    network = SpaceToDepth(monai_unet()) if request.param == "monai" else ADMUNet(**small)
    return awake(network)


@pytest.fixture
def trained(backbone, awake):
    """With a condition that does something, and a null condition that is the backbone as it was."""
    network = ScoreConditioned(backbone, class_ranks=[0.2, 0.9]).eval()
    awake(network.rank_embed)
    return network


def test_at_the_start_it_is_the_backbone_whatever_the_rank(backbone):
    network = ScoreConditioned(backbone).eval()
    for ranks in (RANKS, torch.tensor([NO_RANK, 0.3, 0.9]), None):
        assert torch.equal(network(X, T, ranks=ranks), backbone(X, T))
    assert network.network is not backbone


def test_the_null_condition_is_the_backbone_and_a_rank_is_not(trained, backbone):
    plain = backbone(X, T)
    mixed = trained(X, T, ranks=torch.tensor([NO_RANK, 0.5, NO_RANK]))
    assert torch.equal(mixed[[0, 2]], plain[[0, 2]])
    assert (mixed[1] - plain[1]).abs().max() > 1e-3
    one, other = trained(X, T, ranks=RANKS), trained(X, T, ranks=RANKS - 0.001 * (RANKS > 0))
    assert (one - other)[1:].abs().amax((1, 2, 3)).min() > 1e-6, "a continuous condition tells near ranks apart"


def test_a_class_stands_for_its_rank_and_minus_one_for_none(trained):
    expected = trained(X, T, ranks=torch.tensor([0.9, 0.2, NO_RANK]))
    assert torch.equal(trained(X, T, target_class=torch.tensor([1, 0, -1])), expected)


def test_the_first_step_of_training_moves_the_condition(backbone):
    network = ScoreConditioned(backbone)
    network(X, T, ranks=torch.tensor([NO_RANK, 0.5, 1.0])).square().sum().backward()
    last = network.rank_embed[-1].weight.grad.clone()
    assert last.abs().max() > 0
    network.zero_grad()
    network(X, T, ranks=torch.full((3,), NO_RANK)).square().sum().backward()
    assert network.rank_embed[-1].weight.grad.abs().max() == 0, "the null condition teaches it nothing"


def test_a_copy_is_conditioned_too_and_no_hook_is_left(trained):
    copied = copy.deepcopy(trained)
    assert torch.equal(copied(X, T, ranks=RANKS), trained(X, T, ranks=RANKS))
    assert not trained._inner.time_embed._forward_hooks
    with pytest.raises((RuntimeError, ValueError)):
        trained(X[:, :, :3], T, ranks=RANKS)
    assert not trained._inner.time_embed._forward_hooks, "not even after an error"


def test_labels_are_handed_on(awake):
    backbone = awake(SpaceToDepth(monai_unet(num_class_embeds=4)))
    network = ScoreConditioned(backbone).eval()
    labels = torch.tensor([0, 3, 1])
    assert network.num_class_embeds == 4
    assert torch.equal(network(X, T, class_labels=labels, ranks=RANKS), backbone(X, T, class_labels=labels))


def test_what_does_not_fit_is_named(trained, backbone):
    with pytest.raises(ValueError, match="got Linear, which has no time_embed"):
        ScoreConditioned(nn.Linear(1, 1))
    with pytest.raises(ValueError, match=r"class_ranks must be in \[0, 1\], got \[0.5, 2.0\]"):
        ScoreConditioned(backbone, class_ranks=[0.5, 2.0])
    with pytest.raises(ValueError, match="must not both be given"):
        trained(X, T, ranks=RANKS, target_class=torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match=r"target_class must be in \[0, 2\).* got 0 to 2; give class_ranks"):
        trained(X, T, target_class=torch.tensor([0, 1, 2]))
