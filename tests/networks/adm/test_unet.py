import pytest
import torch
from monai.inferers import DiffusionInferer
from monai.networks.schedulers import DDPMScheduler

from monai_minority.networks import ADMUNet
from monai_minority.networks.adm.attention import AttentionBlock
from monai_minority.networks.adm.blocks import ResBlock

RECORDED = ["base", "class_cond", "new_attention_order", "no_scale_shift"]


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("times", ["t", "t_float"])
def test_equals_the_recorded_outputs(recorded, difference, name, times):
    """Largest difference of any of them: 3.6e-6 of the largest value, from the convolutions' rounding."""
    entry = recorded["unet"][name]
    network = ADMUNet(**entry["config"]).eval()
    network.load_state_dict(entry["state_dict"])
    with torch.no_grad():
        result = network(entry["x"], entry[times], class_labels=entry.get("y"))
    assert difference(result, entry["out" if times == "t" else "out_t_float"]) < 1e-5


@pytest.mark.parametrize("name", RECORDED)
def test_published_flags_build_the_recorded_network(recorded, difference, guided_diffusion_flags, name):
    entry = recorded["unet"][name]
    network = ADMUNet.from_guided_diffusion(entry["state_dict"], **guided_diffusion_flags(entry["config"]))
    assert not network.training
    with torch.no_grad():
        result = network(entry["x"], entry["t"], class_labels=entry.get("y"))
    assert difference(result, entry["out"]) < 1e-5


def test_loaded_weights_are_copies_in_float32_and_trainable(small, awake, guided_diffusion_flags):
    original = awake(ADMUNet(**small))
    weights = {name: tensor.half() for name, tensor in original.state_dict().items()}
    network = ADMUNet.from_guided_diffusion(weights, **guided_diffusion_flags(small))
    assert all(p.dtype == torch.float32 and p.requires_grad for p in network.parameters())
    with torch.no_grad():
        network.out[2].bias.add_(1)
    assert torch.equal(weights["out.2.bias"], original.out[2].bias.half())


def test_untrained_network_predicts_zero_through_identity_branches(small):
    network = ADMUNet(**small | {"dropout": 0.5})
    assert torch.equal(network(torch.randn(2, 1, 16, 16), torch.tensor([3])), torch.zeros(2, 2, 16, 16))
    for module in network.modules():
        if isinstance(module, ResBlock):
            assert module.out_layers[2].p == 0.5
            assert not module.out_layers[3].weight.any()
        if isinstance(module, AttentionBlock):
            assert not module.proj_out.weight.any()
            assert module.qkv.weight.std() > 0.01


def test_heads_of_the_two_halves(small):
    network = ADMUNet(**small | {"num_head_channels": -1, "num_heads": 2, "num_heads_upsample": 4})
    heads = {name: m.num_heads for name, m in network.named_modules() if isinstance(m, AttentionBlock)}
    assert heads == {
        "input_blocks.3.1": 2,
        "middle_block.1": 2,
        "output_blocks.0.1": 4,
        "output_blocks.1.1": 4,
    }


def test_resampling_without_residual_blocks_or_convolutions(small):
    names = ADMUNet(**small | {"resblock_updown": False}).state_dict()
    assert names["input_blocks.2.0.op.weight"].shape == (32, 32, 3, 3)
    assert names["output_blocks.1.2.conv.weight"].shape == (64, 64, 3, 3)
    plain = ADMUNet(**small | {"resblock_updown": False, "conv_resample": False})
    assert not any(name.startswith(("input_blocks.2.", "output_blocks.1.2.")) for name in plain.state_dict())
    assert plain(torch.randn(1, 1, 16, 16), torch.tensor([1])).shape == (1, 2, 16, 16)


def test_checkpointing_recomputes_only_when_asked_and_changes_no_gradient(small, awake, difference):
    x, t = torch.randn(2, 1, 16, 16), torch.tensor([10, 500])
    gradients, calls = [], []
    for use_checkpoint in (False, True):
        network = awake(ADMUNet(**small | {"use_checkpoint": use_checkpoint}))
        count = [0]
        for module in network.modules():
            if isinstance(module, ResBlock | AttentionBlock):
                module.register_forward_pre_hook(lambda *_, count=count: count.__setitem__(0, count[0] + 1))
        image = x.clone().requires_grad_()
        network(image, t).square().sum().backward()
        gradients.append((image.grad, network.input_blocks[1][0].in_layers[2].weight.grad))
        calls.append(count[0])
        count[0] = 0
        with torch.no_grad():
            network(x, t)
        assert count[0] == calls[0]
    assert calls[1] == 2 * calls[0]
    for plain, again in zip(*gradients, strict=True):
        assert difference(again, plain) < 1e-6


def test_channels_last_gives_the_same(small, awake, difference):
    network = awake(ADMUNet(**small))
    x, t = torch.randn(2, 1, 16, 16), torch.tensor([10, 500])
    with torch.no_grad():
        expected = network(x, t)
        network = network.to(memory_format=torch.channels_last)
        result = network(x.to(memory_format=torch.channels_last), t)
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert difference(result, expected) < 1e-5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_keeps_the_ends_in_float32(small, awake, difference, dtype):
    network = awake(ADMUNet(**small))
    x, t = torch.randn(2, 1, 16, 16), torch.tensor([10, 500])
    inner = []
    network.middle_block.register_forward_hook(lambda _, __, out: inner.append(out.dtype))
    with torch.no_grad():
        expected = network(x, t)
        with torch.autocast("cpu", dtype):
            result = network(x, t)
    assert inner == [torch.float32, dtype]
    assert result.dtype == torch.float32
    assert difference(result, expected) < 8 * torch.finfo(dtype).eps


def test_half_precision_weights(small, awake, difference):
    network = awake(ADMUNet(**small))
    x, t = torch.randn(2, 1, 16, 16), torch.tensor([10.0, 500.25])
    with torch.no_grad():
        expected = network(x, t)
        result = network.bfloat16()(x.bfloat16(), t)
    assert result.dtype == torch.bfloat16
    assert difference(result, expected) < 8 * torch.finfo(torch.bfloat16).eps


def test_three_channels_and_a_size_that_is_no_power_of_two(small, awake):
    network = awake(ADMUNet(**small | {"in_channels": 3, "out_channels": 6, "channel_mult": (1, 2, 3)}))
    x = torch.randn(2, 3, 24, 36)
    with torch.no_grad():
        both = network(x, torch.tensor([4, 8]))
        alone = network(x[1:], torch.tensor([8]))
    assert both.shape == (2, 6, 24, 36)
    torch.testing.assert_close(both[1:], alone, rtol=1e-5, atol=1e-5)


def test_works_in_monais_inferer(small, awake):
    network = awake(ADMUNet(**small | {"out_channels": 1}))
    scheduler = DDPMScheduler(num_train_timesteps=1000, clip_sample=False)
    inferer = DiffusionInferer(scheduler)
    images, noise, t = torch.rand(2, 1, 16, 16), torch.randn(2, 1, 16, 16), torch.tensor([10, 900])
    with torch.no_grad():
        result = inferer(inputs=images, diffusion_model=network, noise=noise, timesteps=t)
        expected = network(scheduler.add_noise(images, noise, t), t)
        assert torch.equal(result, expected)

        # The inferer gives one timestep for the whole batch; here is its step, by hand.
        scheduler.set_timesteps(1)
        torch.manual_seed(1)
        sample = inferer.sample(input_noise=noise, diffusion_model=network, scheduler=scheduler, verbose=False)
        step = scheduler.timesteps[0]
        torch.manual_seed(1)
        expected, _ = scheduler.step(network(noise, step.expand(2)), int(step), noise)
    torch.testing.assert_close(sample, expected, rtol=1e-5, atol=1e-5)


def test_unfit_inputs_are_named(small):
    network, x, t = ADMUNet(**small), torch.zeros(2, 1, 16, 16), torch.tensor([1, 2])
    with pytest.raises(ValueError, match=r"x must have shape \[B, 1, H, W\].*got \[2, 3, 16, 16\]"):
        network(torch.zeros(2, 3, 16, 16), t)
    with pytest.raises(ValueError, match=r"multiples of 2.*got \[15, 16\]"):
        network(torch.zeros(2, 1, 15, 16), t)
    with pytest.raises(ValueError, match=r"one for each of the 2 images, got shape \[3\]"):
        network(x, torch.tensor([1, 2, 3]))
    with pytest.raises(ValueError, match="context must be None"):
        network(x, t, context=torch.zeros(2, 1, 4))
    with pytest.raises(ValueError, match="class_labels must be None.*not class-conditional"):
        network(x, t, class_labels=torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="must be None: ADMUNet takes no residuals"):
        network(x, t, mid_block_additional_residual=x)
    conditional = ADMUNet(**small | {"num_classes": 10})
    with pytest.raises(ValueError, match=r"shape \[2\] with values in \[0, 10\).*got None"):
        conditional(x, t)
    with pytest.raises(ValueError, match="channel_mult must hold"):
        ADMUNet(**small | {"channel_mult": ()})


def test_weights_of_other_flags_are_named(small, guided_diffusion_flags):
    weights = ADMUNet(**small).state_dict()
    flags = guided_diffusion_flags(small)
    with pytest.raises(ValueError, match=r"does not fit ADMUNet.*1 missing \(label_emb.weight\)"):
        ADMUNet.from_guided_diffusion(weights, **flags | {"class_cond": True})
    with pytest.raises(ValueError, match=r"2 of another shape \(out.2.weight \[2, 32, 3, 3\] for \[1, 32"):
        ADMUNet.from_guided_diffusion(weights, **flags | {"learn_sigma": False})
    with pytest.raises(ValueError, match=r"10 missing \(.*and 5 more\); 28 unexpected \(.*and 23 more\)"):
        ADMUNet.from_guided_diffusion(weights, **flags | {"attention_resolutions": "4"})
