import pytest
import torch
from torch.nn import functional as F

from monai_minority.networks import ADMEncoder


def guided(network, entry):
    """Logits, and the gradient of log p(y | x) with respect to x."""
    x = entry["x"].clone().requires_grad_()
    logits = network(x, entry["t"])
    chosen = logits.log_softmax(dim=-1).gather(1, entry["y"][:, None]).sum()
    return logits.detach(), torch.autograd.grad(chosen, x)[0]


@pytest.fixture
def small_encoder(small):
    return small | {"out_channels": 10, "pool": "attention"}


@pytest.mark.parametrize("name", ["attention", "adaptive"])
def test_equals_the_recorded_outputs(recorded, difference, guided_diffusion_flags, name):
    """Largest differences, relative to the largest value: logits 4e-7, gradients 3.5e-6, features 1.6e-6."""
    entry = recorded["encoder"][name]
    network = ADMEncoder(**entry["config"]).eval()
    network.load_state_dict(entry["state_dict"])
    by_flags = ADMEncoder.from_guided_diffusion(entry["state_dict"], **guided_diffusion_flags(entry["config"]))
    for encoder in (network, by_flags):
        logits, gradient = guided(encoder, entry)
        assert difference(logits, entry["logits"]) < 1e-5
        assert difference(gradient, entry["grad"]) < 1e-5
        with torch.no_grad():
            assert difference(encoder.features(entry["x"], entry["t"]), entry["features"]) < 1e-5


@pytest.mark.parametrize("pool", ["spatial", "spatial_v2"])
def test_spatial_pooling_reads_the_means_of_every_block(small_encoder, awake, pool):
    network = awake(ADMEncoder(**small_encoder | {"pool": pool})).double()
    maps = []
    for block in [*network.input_blocks, network.middle_block]:
        block.register_forward_hook(lambda _, __, out: maps.append(out))
    x, t = torch.randn(3, 1, 16, 16, dtype=torch.float64), torch.tensor([1, 300, 999])
    with torch.no_grad():
        logits = network(x, t)
        assert [h.shape[1] for h in maps] == [32, 32, 32, 64, 64]
        hidden = torch.cat([h.flatten(2).sum(-1) / h[0, 0].numel() for h in maps], dim=1)
        hidden = hidden @ network.out[0].weight.T + network.out[0].bias
        if pool == "spatial":
            hidden = hidden.clamp(min=0)
        else:
            groups = hidden.reshape(3, 32, 64)
            variance = groups.var(-1, correction=0, keepdim=True)
            normed = ((groups - groups.mean(-1, keepdim=True)) / (variance + 1e-5).sqrt()).reshape(3, 2048)
            normed = normed * network.out[1].weight + network.out[1].bias
            hidden = normed * normed.sigmoid()
        last = network.out[-1]
        torch.testing.assert_close(logits, hidden @ last.weight.T + last.bias, rtol=0, atol=1e-10)
        torch.testing.assert_close(network.features(x, t), maps[4], rtol=0, atol=0)


def test_adaptive_pooling_starts_without_preference(small_encoder):
    network = ADMEncoder(**small_encoder | {"pool": "adaptive"})
    assert torch.equal(network(torch.randn(2, 1, 16, 16), torch.tensor([3, 4])), torch.zeros(2, 10))


def test_labels_move_the_embedding_of_the_timestep(small_encoder, awake):
    conditional = awake(ADMEncoder(**small_encoder | {"num_classes": 3}))
    plain = awake(ADMEncoder(**small_encoder))
    weights = conditional.state_dict()
    label_weights = weights.pop("label_emb.weight")
    plain.load_state_dict(weights)
    x, t, labels = torch.randn(2, 1, 16, 16), torch.tensor([5, 700]), torch.tensor([2, 1])
    with torch.no_grad():
        result = conditional(x, t, class_labels=labels)
        # The same shift, put into the bias of the last embedding layer, image by image.
        bias = plain.time_embed[2].bias.clone()
        for i in range(2):
            plain.time_embed[2].bias.copy_(bias + label_weights[labels[i]])
            torch.testing.assert_close(result[i : i + 1], plain(x[i : i + 1], t[i : i + 1]), rtol=1e-5, atol=1e-5)
        other = conditional(x, t, class_labels=torch.tensor([0, 1]))
        features = conditional.features(x, t, labels)
        assert not torch.equal(features, conditional.features(x, t, labels.flip(0)))
    assert not torch.allclose(other[0], result[0], atol=1e-3)


@pytest.mark.parametrize("pool", ["attention", "adaptive", "spatial", "spatial_v2"])
def test_layouts_precisions_and_checkpointing_agree(small_encoder, awake, difference, pool):
    entry = {
        "x": torch.randn(2, 1, 16, 16),
        "t": torch.tensor([10.0, 500.5]),
        "y": torch.tensor([3, 9]),
    }
    network = awake(ADMEncoder(**small_encoder | {"pool": pool}))
    logits, gradient = guided(network, entry)
    again = awake(ADMEncoder(**small_encoder | {"pool": pool, "use_checkpoint": True}))
    same = guided(again, entry)
    assert difference(same[0], logits) < 1e-6
    assert difference(same[1], gradient) < 1e-5
    last = guided(
        network.to(memory_format=torch.channels_last),
        entry | {"x": entry["x"].to(memory_format=torch.channels_last)},
    )
    assert difference(last[0], logits) < 1e-5
    assert difference(last[1], gradient) < 1e-4
    with torch.autocast("cpu", torch.bfloat16):
        cast = network(entry["x"], entry["t"])
    assert cast.dtype == torch.float32
    assert difference(cast, logits) < 8 * torch.finfo(torch.bfloat16).eps


def test_cross_entropy_reaches_every_parameter(small_encoder, awake):
    network = awake(ADMEncoder(**small_encoder | {"num_classes": 3})).train()
    x, t = torch.randn(3, 1, 16, 16), torch.tensor([5, 700, 20])
    logits = network(x, t, class_labels=torch.tensor([0, 1, 2]))
    F.cross_entropy(logits, torch.tensor([1, 9, 4])).backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


def test_unfit_settings_and_inputs_are_named(small_encoder):
    with pytest.raises(ValueError, match="pool must be one of attention, adaptive.*got 'max'"):
        ADMEncoder(**small_encoder | {"pool": "max"})
    with pytest.raises(ValueError, match="num_head_channels must be given"):
        ADMEncoder(**small_encoder | {"num_head_channels": -1})
    network = ADMEncoder(**small_encoder)
    with pytest.raises(ValueError, match=r"x must be 16 x 16.*got \[32, 32\]"):
        network(torch.zeros(1, 1, 32, 32), torch.tensor([0]))
    with pytest.raises(ValueError, match="context must be None"):
        network(torch.zeros(1, 1, 16, 16), torch.tensor([0]), context=torch.zeros(1, 1, 1))
