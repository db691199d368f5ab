import numpy as np
import pytest
import torch

from monai_minority.data.phantom.anatomy import CHANNELS, PhantomAnatomy, grid_points, load_anatomy
from monai_minority.data.phantom.subject import _spline_field, _swell, simulate_subject


@pytest.fixture(scope="module")
def anatomy():
    return load_anatomy(2)


@pytest.fixture(scope="module")
def stages(anatomy):
    """Three persons, each at five severities."""
    return [[simulate_subject(anatomy, seed, s, 4.0) for s in (0.0, 0.25, 0.5, 0.75, 1.0)] for seed in range(3)]


def test_ventricles_grow_with_severity(stages):
    for person in stages:
        volumes = np.array([stage.ventricle_volume_mm3 for stage in person])
        assert (np.diff(volumes) > 0).all()
        assert volumes[-1] > 2.5 * volumes[0]


def test_cortex_and_brain_shrink_with_severity(stages):
    for person in stages:
        for name in ("cortex_volume_mm3", "cortex_thickness_mm", "brain_volume_mm3"):
            assert (np.diff([getattr(stage, name) for stage in person]) < 0).all(), name
        assert person[-1].cortex_thickness_mm < 0.85 * person[0].cortex_thickness_mm


def test_the_image_shows_what_the_truth_says(stages):
    """More fluid means more dark voxels inside the same head, in every person and at every step."""
    for person in stages:
        dark = [((stage.image > 0) & (stage.image < 0.4)).sum() for stage in person]
        assert (np.diff(dark) > 0).all()
        outline = [(stage.image > 0).sum() for stage in person]
        assert max(outline) < 1.03 * min(outline)


def test_images_are_finite_and_empty_outside_the_head(stages):
    for stage in (stage for person in stages for stage in person):
        assert stage.image.dtype == np.float32
        assert np.isfinite(stage.image).all()
        assert 0.1 < (stage.image > 0).mean() < 0.5
        assert stage.image.min() >= 0


def test_the_same_seed_gives_the_same_subject(anatomy, stages):
    again = simulate_subject(anatomy, 1, 0.5, 4.0)
    assert np.array_equal(again.image, stages[1][2].image)
    assert not np.array_equal(again.image, stages[2][2].image)


@pytest.mark.parametrize("severity", [-0.1, 1.1, float("nan")])
def test_severity_out_of_range_raises(anatomy, severity):
    with pytest.raises(ValueError, match="^severity must be in"):
        simulate_subject(anatomy, 0, severity, 4.0)


def test_flow_of_a_uniform_field_is_a_translation():
    velocity = torch.zeros(1, 3, 4, 4, 4)
    velocity[:, 0] = 1
    head = torch.ones(4, 4, 4, dtype=torch.bool)
    uniform = PhantomAnatomy(torch.zeros(1, 7, 4, 4, 4), velocity, head, spacing=60.0)
    points = torch.randn(50, 3) * 20
    moved = _swell(uniform, points, torch.full((50,), 3.7))
    torch.testing.assert_close(moved, points - torch.tensor([3.7, 0.0, 0.0]), atol=1e-4, rtol=1e-5)


def test_the_severest_swelling_cuts_and_folds_no_tissue(anatomy):
    """Outside the ventricles the map keeps its orientation, and tissue is compressed at most fivefold."""
    grid = grid_points(4.0)
    points = _swell(anatomy, grid.reshape(-1, 3), torch.full((grid[..., 0].numel(),), 8.0))
    ventricles = anatomy.sample(anatomy.maps, points)[CHANNELS.index("ventricles")].reshape(grid.shape[:3])
    moved = points.reshape(grid.shape)
    rows = [torch.stack(torch.gradient(moved[..., axis], spacing=4.0), dim=-1) for axis in range(3)]
    determinant = torch.linalg.det(torch.stack(rows, dim=-2))
    assert determinant[ventricles < 0.1].min() > 0.1
    assert determinant.max() < 5
    assert determinant.max() > 2


def test_random_fields_have_the_stated_deviation():
    field = _spline_field((12, 12, 12), 400, knots_mm=16.0, spacing=4.0, std=1.5, rng=np.random.default_rng(0))
    assert field.mean().item() == pytest.approx(0, abs=0.05)
    assert field.std().item() == pytest.approx(1.5, rel=0.05)
