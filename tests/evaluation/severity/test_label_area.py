"""Areas of labels that a network of known output finds."""

import json

import pytest
import torch
from torch import nn

from monai_minority.evaluation.severity import LabelArea
from monai_minority.networks import save_weights
from monai_minority.run.content import of_callable


class Levels(nn.Module):
    """Logits that are highest in channel 0 for dark, 1 for grey, 2 for bright pixels; dropout that must not act."""

    def __init__(self):
        super().__init__()
        self.centres = nn.Parameter(torch.tensor([-1.0, 0.0, 1.0]))
        self.dropout = nn.Dropout(0.9)

    def forward(self, x):
        return self.dropout(0.5 - (x - self.centres.view(1, -1, 1, 1)).abs())


def images() -> torch.Tensor:
    """Two pictures of 8 x 8: 10 bright and 6 grey pixels, and none of either."""
    pictures = torch.full((2, 64), -1.0)
    pictures[0, :10] = 1
    pictures[0, 10:16] = 0
    return pictures.view(2, 1, 8, 8)


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"label": 2}, [10, 0]),
        ({"label": 1}, [6, 0]),
        ({"label": 0}, [48, 64]),
        ({"label": 2, "exclusive": False}, [10, 0]),
        ({"label": 2, "pixel_area": 0.25}, [2.5, 0]),
        ({"label": 2, "sign": -1}, [-10, 0]),
        ({"label": 2, "prepare": lambda x: -x}, [48, 64]),
    ],
)
def test_counts_the_pixels_of_the_label(options, expected):
    measure = LabelArea(Levels().train(), **options)
    areas = measure.train()(images())
    assert areas.dtype == torch.float64 and not areas.requires_grad
    assert areas.tolist() == expected


def test_one_channel_is_above_0_or_not():
    assert LabelArea(nn.Identity())(images()).tolist() == [10, 0]


@pytest.mark.parametrize("size", [4, 16, 24])
def test_areas_do_not_depend_on_the_size_for_the_network(size):
    half = torch.ones(1, 1, 8, 8)
    half[..., :4] = -1
    assert LabelArea(nn.Identity(), size=size, pixel_area=0.5)(half).tolist() == [16]


def test_network_of_a_bundle(tmp_path):
    network = {
        "_target_": "monai.networks.nets.UNet",
        "spatial_dims": 2,
        "in_channels": 1,
        "out_channels": "@classes",
        "channels": [4, 8],
        "strides": [2],
    }
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "inference.json").write_text(json.dumps({"classes": 3, "network_def": network}))
    from monai.networks.nets import UNet

    torch.manual_seed(1)
    trained = UNet(2, 1, 3, [4, 8], [2]).eval()
    with pytest.raises(FileNotFoundError, match="model.pt does not exist"):
        LabelArea.from_bundle(tmp_path)
    save_weights(trained, tmp_path / "models" / "model.pt")
    x = torch.randn(4, 1, 16, 16)
    with torch.no_grad():
        expected = (trained(x).argmax(1) == 1).sum((1, 2))
    assert expected.min() > 0 and expected.max() < 256, "the test would see another label or another network"
    assert LabelArea.from_bundle(tmp_path, label=1)(x).tolist() == pytest.approx(expected.tolist())
    with pytest.raises(ValueError, match="has no 'net'; give the network's id as network"):
        LabelArea.from_bundle(tmp_path, network="net")
    with pytest.raises(FileNotFoundError, match="has none of other.yaml; give its name as config"):
        LabelArea.from_bundle(tmp_path, config="other.yaml")


def test_a_stage_tells_two_measures_apart():
    network = Levels()
    told = {of_callable(LabelArea(network, **options)) for options in ({}, {"label": 1}, {"sign": -1})}
    assert len(told) == 3


def test_refuses():
    with pytest.raises(ValueError, match=r"channel 3 \(label\), got \[2, 3, 8, 8\]"):
        LabelArea(Levels(), label=3)(images())
    with pytest.raises(ValueError, match="got 0 and 1"):
        LabelArea(Levels(), pixel_area=0)
    with pytest.raises(ValueError, match="got 1.0 and 2"):
        LabelArea(Levels(), sign=2)
