import numpy as np
import pytest
import torch
from nilearn import datasets

from monai_minority.data.phantom.anatomy import CHANNELS, grid_affine, grid_points, load_anatomy


@pytest.fixture(scope="module")
def anatomy():
    return load_anatomy(2)


def test_sampling_the_voxel_centres_gives_the_maps(anatomy):
    points = grid_points(2.0)
    sampled = anatomy.sample(anatomy.maps, points.reshape(-1, 3)).reshape(anatomy.maps.shape[1:])
    torch.testing.assert_close(sampled, anatomy.maps[0], atol=2e-4, rtol=1e-5)


def test_points_are_where_the_affine_says():
    voxel = np.array([3, 5, 7, 1])
    np.testing.assert_allclose(grid_points(4.0)[3, 5, 7], (grid_affine(4.0) @ voxel)[:3])


def test_tissues_are_the_templates_at_the_same_place(anatomy):
    """Read the unprocessed template at random points in mm through its own affine."""
    rng = np.random.default_rng(0)
    voxels = rng.integers(15, 80, size=(500, 3))
    template = datasets.load_mni152_gm_template(resolution=2)
    points = voxels @ template.affine[:3, :3].T + template.affine[:3, 3]
    expected = np.asarray(template.dataobj)[tuple(voxels.T)]
    sampled = anatomy.sample(anatomy.maps, torch.from_numpy(points).float())
    inside = sampled[CHANNELS.index("brain")] == 1
    assert inside.sum() > 200
    np.testing.assert_allclose(sampled[CHANNELS.index("grey")][inside], expected[inside], atol=0.02)


def test_tissues_and_fluid_fill_the_brain(anatomy):
    grey, white, brain, ventricles = anatomy.maps[0, :4]
    assert torch.isfinite(anatomy.maps).all()
    assert torch.isfinite(anatomy.velocity).all()
    assert (grey + white <= brain + 1e-5).all()
    assert (ventricles <= brain - grey - white + 1e-5).all()


def test_lateral_ventricles_are_a_symmetric_pair_of_a_healthy_size(anatomy):
    """The template is left-right symmetric; healthy adults have about 10 to 40 ml."""
    ventricles = anatomy.maps[0, CHANNELS.index("ventricles")]
    millilitres = ventricles.sum().item() * 8 / 1000
    assert 10 < millilitres < 40
    left, right = ventricles[:44].sum().item(), ventricles[45:].sum().item()
    assert left == pytest.approx(right, rel=0.02)


def test_the_field_swells_the_ventricles(anatomy):
    """Its flux out of the ventricles (the integral of divergence) is positive; its speed stays below 1."""
    velocity = anatomy.velocity[0]
    divergence = sum(torch.gradient(velocity[axis], spacing=2.0, dim=axis)[0] for axis in range(3))
    assert (divergence * (anatomy.maps[0, CHANNELS.index("ventricles")] > 0.5)).sum() > 0
    assert velocity.norm(dim=0).max() < 1
    assert velocity.norm(dim=0).max() > 0.7
