"""The settings of ADM networks: frozen, checked, and named in the signatures of the networks that take them."""

import dataclasses
import inspect

import pytest

from monai_minority.networks import ADMConfig, ADMEncoder, ADMUNet


def test_it_is_frozen_and_takes_lists(small):
    config = ADMConfig(**small | {"channel_mult": [1, 2], "attention_resolutions": [2]})
    assert config == ADMConfig(**small) and hash(config) == hash(ADMConfig(**small))
    assert config.widths == (32, 64) and config.downsampling == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.dropout = 0.5


@pytest.mark.parametrize("network, own", [(ADMUNet, "num_heads_upsample"), (ADMEncoder, "pool")])
def test_networks_take_settings_by_name_or_as_one(small, network, own):
    by_name, as_one = network(**small), network(ADMConfig(**small))
    assert by_name.config == as_one.config == ADMConfig(**small)
    assert by_name.state_dict().keys() == as_one.state_dict().keys()
    changed = network(ADMConfig(**small), out_channels=3)
    assert changed.config == dataclasses.replace(by_name.config, out_channels=3)
    names = [field.name for field in dataclasses.fields(ADMConfig)]
    assert set(inspect.signature(network).parameters) == {"config", own, *names}
    with pytest.raises(TypeError, match="unexpected keyword argument 'model_chanels'"):
        inspect.signature(network).bind_partial(model_chanels=32)


@pytest.mark.parametrize("network", [ADMUNet, ADMEncoder])
def test_misspelt_and_missing_settings_are_named(small, network):
    with pytest.raises(TypeError, match="model_chanels is not a setting.*got 32; did you mean model_channels"):
        network(**small, model_chanels=32)
    del small["in_channels"]
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'in_channels'"):
        network(**small)


def test_settings_of_the_other_network_are_refused(small):
    with pytest.raises(TypeError, match="pool is not a setting"):
        ADMUNet(**small, pool="adaptive")
    with pytest.raises(TypeError, match="num_heads_upsample is not a setting"):
        ADMEncoder(**small, num_heads_upsample=2)
    with pytest.raises(TypeError, match="pol is not a setting.*did you mean pool"):
        ADMEncoder(**small, pol="adaptive")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"image_size": 0}, "image_size must be at least 1, got 0"),
        ({"num_res_blocks": -1}, "num_res_blocks must be at least 1, got -1"),
        ({"channel_mult": ()}, "channel_mult must hold"),
        ({"model_channels": 40}, r"multiple of 32 channels, got \[40, 80\].*model_channels=40"),
        ({"channel_mult": (1, 0.01)}, r"multiple of 32 channels, got \[32, 0\]"),
        ({"dropout": 1.5}, r"dropout must be in \[0, 1\], got 1.5"),
        ({"num_classes": 0}, "num_classes must be at least 1, got 0"),
        ({"num_head_channels": 0}, "num_head_channels must be at least 1, got 0"),
    ],
)
def test_values_out_of_range_are_named(small, changes, message):
    with pytest.raises(ValueError, match=message):
        ADMConfig(**small | changes)
