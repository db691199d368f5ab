"""Training that starts from other weights: a new table of labels changes nothing at first."""

import pytest
import torch
from monai.networks.nets import DiffusionModelUNet

from monai_minority.networks import ADMUNet, SpaceToDepth, save_weights, start_weights


def monai_unet(labels, width=8):
    return SpaceToDepth(
        DiffusionModelUNet(
            spatial_dims=2,
            in_channels=4,
            out_channels=4,
            channels=[width, 2 * width],
            attention_levels=[False, False],
            num_res_blocks=1,
            norm_num_groups=4,
            num_class_embeds=labels,
        )
    )


def adm(labels):
    return ADMUNet(
        image_size=8, in_channels=1, model_channels=32, out_channels=1, num_res_blocks=1, channel_mult=(1,),
        attention_resolutions=(), num_classes=labels,
    )  # fmt: skip


@pytest.mark.parametrize("build", [monai_unet, adm])
def test_a_conditional_network_starts_as_the_unconditional_one(build, tmp_path):
    plain = build(None).eval()
    torch.manual_seed(1)
    for parameter in plain.parameters():  # the last layers start at zero, and would hide any difference
        torch.nn.init.normal_(parameter, std=0.2)
    save_weights(plain, tmp_path / "model.pt")
    conditional = start_weights(build(3), tmp_path / "model.pt").eval()
    x, t = torch.randn(3, 1, 8, 8), torch.tensor([5, 500, 900])
    with torch.no_grad():
        expected = plain(x, t)
        torch.testing.assert_close(conditional(x, t, class_labels=torch.tensor([0, 1, 2])), expected)
    assert expected.abs().max() > 0.01


def test_weights_that_fit_are_taken_whole_and_others_refused(tmp_path):
    trained = monai_unet(2)
    save_weights(trained, tmp_path / "model.pt")
    started = start_weights(monai_unet(2), tmp_path / "model.pt")
    assert all(torch.equal(started.state_dict()[name], value) for name, value in trained.state_dict().items())
    with pytest.raises(ValueError, match="of another shape"):
        start_weights(monai_unet(2, width=4), tmp_path / "model.pt")
    with pytest.raises(ValueError, match="1 unexpected"):
        start_weights(monai_unet(None), tmp_path / "model.pt")
    network = monai_unet(2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert start_weights(network, None) is network
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
