"""Crops: what is drawn, what is cut, and that a batch may be shared."""

import pytest
import torch
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import adjust_brightness, adjust_contrast, resize, solarize

from monai_minority.transforms.multi_crop import CropParameters, MultiCrop, cut


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def whole_image(**changes):
    """One crop that is the whole of each of two images."""
    plain = {name: torch.zeros(1, 2) for name in CropParameters._fields}
    plain |= {name: torch.ones(1, 2) for name in ("height", "width", "brightness", "contrast")}
    plain |= {name: torch.zeros(1, 2, dtype=torch.bool) for name in ("flipped", "solarised")}
    return CropParameters(**(plain | {name: torch.tensor([value]) for name, value in changes.items()}))


@pytest.fixture
def images():
    return torch.rand(2, 1, 24, 24) * 1.8 - 0.9


def test_the_whole_image_is_left_as_it_is(images):
    torch.testing.assert_close(cut(images, whole_image(), 24)[0], images, rtol=0, atol=1e-6)


def test_each_image_has_its_own_change(images):
    found = cut(images, whole_image(flipped=[False, True]), 24)[0]
    torch.testing.assert_close(found[0], images[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(found[1], images[1].flip(-1), rtol=0, atol=1e-6)


def test_intensities_are_those_of_torchvision(images):
    found = cut(images, whole_image(brightness=[1.3, 1.0], contrast=[1.0, 0.7]), 24)[0]
    grey = (images + 1) / 2
    torch.testing.assert_close((found[0] + 1) / 2, adjust_brightness(grey[0], 1.3), rtol=0, atol=1e-6)
    torch.testing.assert_close((found[1] + 1) / 2, adjust_contrast(grey[1], 0.7), rtol=0, atol=1e-6)
    found = cut(images, whole_image(solarised=[True, True]), 24)[0]
    torch.testing.assert_close((found + 1) / 2, solarize(grey, 0.5), rtol=0, atol=1e-6)


def test_a_quarter_is_cut_where_it_lies(images):
    crops = whole_image(top=[0.5, 0.0], left=[0.25, 0.0], height=[0.5, 1.0], width=[0.5, 1.0])
    found = cut(images, crops, 12)[0]
    torch.testing.assert_close(found[0], images[0, :, 12:, 6:18], rtol=0, atol=1e-6)
    smaller = resize(images[1], [12, 12], InterpolationMode.BICUBIC, antialias=True).clamp(-1, 1)
    torch.testing.assert_close(found[1], smaller, rtol=0, atol=1e-5)


def test_shapes_and_range(images):
    views = MultiCrop(size=16, small_size=8, num_small=3)(images.expand(-1, 3, -1, -1), generator())
    assert views.large.shape == (2, 2, 3, 16, 16)
    assert views.small.shape == (3, 2, 3, 8, 8)
    assert views.large.abs().max() <= 1 and views.small.abs().max() <= 1
    assert MultiCrop(size=16, small_size=8, num_small=0)(images, generator()).small.shape == (0, 2, 1, 8, 8)


def test_draws_have_the_stated_distribution():
    crops = MultiCrop(jitter_chance=0.8, solarise=0.2)
    drawn = crops.draw(10, 2000, (0.05, 0.25), 112, 0.5, 0.2, generator())
    area, aspect = drawn.height * drawn.width, drawn.width / drawn.height
    assert area.min() >= 0.05 - 1e-6 and area.max() <= 0.25 + 1e-6
    assert area.mean().item() == pytest.approx(0.15, abs=0.002)
    assert aspect.log().mean().item() == pytest.approx(0, abs=0.005)
    assert aspect.min().item() == pytest.approx(0.75, abs=1e-3) and aspect.max().item() == pytest.approx(
        4 / 3, abs=1e-3
    )
    assert (drawn.top + drawn.height).max() <= 1 + 1e-6 and drawn.top.min() >= 0
    assert (drawn.blur > 0).float().mean().item() == pytest.approx(0.5, abs=0.01)
    assert drawn.blur.max().item() == pytest.approx(1.0, abs=1e-3), "2 pixels of 224 are 1 of 112"
    assert (drawn.brightness != 1).float().mean().item() == pytest.approx(0.8, abs=0.01)
    assert drawn.solarised.float().mean().item() == pytest.approx(0.2, abs=0.01)
    whole = crops.draw(1, 2000, (1.0, 1.0), 224, 0.0, 0.0, generator())
    assert whole.height.max() <= 1 and whole.width.max() <= 1


def test_crops_do_not_depend_on_who_cuts_them():
    images = torch.rand(5, 1, 20, 20) * 2 - 1
    crops = MultiCrop(size=16, small_size=8, num_small=2)
    whole = crops(images, generator(3))
    parts = [crops(images[part], generator(3), total=5, offset=part.start) for part in (slice(0, 2), slice(2, 5))]
    torch.testing.assert_close(torch.cat([part.large for part in parts], 1), whole.large)
    torch.testing.assert_close(torch.cat([part.small for part in parts], 1), whole.small)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"size": 0}, "size and small_size must be positive"),
        ({"scale": (0.5, 1.2)}, r"scale must be .* got \(0.5, 1.2\)"),
        ({"aspect": (2, 1)}, "aspect must be"),
        ({"blur": (1, 0.1, 1.5)}, "blur must be in"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        MultiCrop(**settings)
