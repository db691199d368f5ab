"""Ventricle-to-brain ratio of shapes of known area and of a real template."""

import numpy as np
import pytest
from nilearn.datasets import load_mni152_template

from monai_minority.evaluation.severity import brain_and_ventricles, ventricle_to_brain_ratio


def _head(ventricle: float, side: int = 128) -> np.ndarray:
    """A brain of three tissues, semi-axes 50 and 40, around an elliptic ventricle of semi-axes v and v /
    2."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    image = np.full((side, side), -1.0)
    image[(y / 50) ** 2 + (x / 40) ** 2 < 1] = 0.2
    image[(y / 45) ** 2 + (x / 35) ** 2 < 1] = 0.5
    image[(y / 40) ** 2 + (x / 30) ** 2 < 1] = 0.8
    image[(y / ventricle) ** 2 + (x / (ventricle / 2)) ** 2 < 1] = -0.6
    return image


def test_ratio_of_known_areas():
    sizes = np.array([8, 12, 16, 24])
    ratios = ventricle_to_brain_ratio(np.stack([_head(size) for size in sizes])[:, None])
    np.testing.assert_allclose(ratios, sizes**2 / 2 / (50 * 40), rtol=0.05)


def test_ratio_does_not_depend_on_brightness_or_orientation():
    image = _head(16)
    expected = ventricle_to_brain_ratio(image[None])
    np.testing.assert_allclose(ventricle_to_brain_ratio(image.T[None]), expected)
    np.testing.assert_allclose(ventricle_to_brain_ratio(0.5 * image[None] - 0.2), expected)


def test_template_slices_through_the_ventricles_have_more():
    template = load_mni152_template(resolution=2)
    volume, affine = template.get_fdata(), template.affine
    heights = [5, 20, 35]
    slices = np.stack([volume[:, :, round((z - affine[2, 3]) / affine[2, 2])] for z in heights])
    slices = np.clip(2 * slices / slices.max(axis=(1, 2), keepdims=True) - 1, -1, 1)
    ratios = ventricle_to_brain_ratio(slices)
    assert 0.03 < ratios[1] < 0.08
    assert ratios[1] > 1.8 * ratios[2]
    masks = brain_and_ventricles(slices[1])
    assert masks is not None
    # The bodies of the lateral ventricles at 20 mm lie within 25 mm of the midline, on both sides of it.
    left_right = np.argwhere(masks[1])[:, 0] * affine[0, 0] + affine[0, 3]
    assert np.quantile(np.abs(left_right), 0.9) < 25
    assert 0.35 < (left_right > 0).mean() < 0.65


def test_constant_slices_have_none_and_bad_ones_are_named():
    assert np.isnan(ventricle_to_brain_ratio(np.full((2, 1, 16, 16), -1.0))).all()
    noise = np.random.default_rng(0).choice([-1.0, 0.5, 1.0], (3, 1, 16, 16))  # as an untrained network samples
    assert np.isnan(ventricle_to_brain_ratio(noise)).all()
    with pytest.raises(ValueError, match=r"\(16, 16\)"):
        ventricle_to_brain_ratio(np.zeros((16, 16)))
    with pytest.raises(ValueError, match="finite"):
        ventricle_to_brain_ratio(np.full((1, 16, 16), np.nan))
