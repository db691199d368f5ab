import pytest
import torch

from monai_minority.scoring import L2, LocalPeak


def disc(radius, side=32):
    """A head of 0 on a background of -1."""
    place = torch.arange(side) - (side - 1) / 2
    return torch.where(place[:, None] ** 2 + place**2 < radius**2, 0.0, -1.0)[None, None]


def test_finds_what_a_mean_over_all_pixels_misses():
    head = disc(14)
    lesion, noise = head.clone(), head + 0.2 * torch.randn(head.shape, generator=torch.Generator().manual_seed(0))
    lesion[..., 13:18, 13:18] = 0.5  # 25 of 1,024 pixels
    assert L2()(head, noise) > L2()(head, lesion)
    peak = LocalPeak(window=5, margin=4)
    assert peak(head, lesion).item() == pytest.approx(0.5)
    assert peak(head, noise).item() < 0.2


def test_leaves_out_what_is_near_the_background():
    head, scalp = disc(14), disc(14)
    scalp[(disc(14) > -1) & (disc(11) == -1)] = 1.0
    assert LocalPeak(window=3, margin=6)(head, scalp).item() == 0
    assert LocalPeak(window=3, margin=0)(head, scalp).item() > 0.9


def test_the_inside_is_that_of_the_first_image_and_nowhere_where_it_is_air():
    air = torch.full((1, 1, 16, 16), -1.0)
    assert LocalPeak(3, 2)(air, air + 1).item() == 0
    assert LocalPeak(3, 2)(air + 1, air).item() == 1


def test_batches_do_not_mix():
    head = disc(14)
    pair = torch.cat([head, head + 0.25])
    assert LocalPeak(5, 4)(torch.cat([head, head]), pair).tolist() == [0.0, pytest.approx(0.25)]


@pytest.mark.parametrize("options", [{"window": 4}, {"window": 0}, {"margin": -1}])
def test_refuses_sides_that_have_no_centre(options):
    with pytest.raises(ValueError, match="window must be odd and positive and margin at least 0"):
        LocalPeak(**options)
