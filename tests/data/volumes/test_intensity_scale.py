"""Volumes of other gains come onto one scale, and no volume outside the training split has a say in it."""

import numpy as np
import pytest
import torch
from monai.transforms import Compose

from monai_minority.data import Cohort, IntensityScale, extract_images
from monai_minority.transforms import ExtractSlicesd, LoadVolumed, MeasureIntensityd
from tests.small_cohort import volume, write_volume

FOREGROUND = np.linspace(100, 200, 1001)
VOLUME = np.concatenate([np.zeros(5000), FOREGROUND])


def test_the_measure_is_of_the_foreground():
    measure = IntensityScale("percentile", 0, 100).measure(VOLUME)
    assert np.allclose(measure[:2], [150, FOREGROUND.std()]) and np.allclose(measure[2:], np.arange(100, 201, 10))
    with pytest.raises(ValueError, match="foreground is constant"):
        IntensityScale("z_score").measure(np.array([0.0, 0, 1, 1]))


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("percentile", [0, 100, 150, 175, 200, 400], [-1, -1, 0, 0.5, 1, 1]),
        ("z_score", [0, 150, 150 + 1.5 * FOREGROUND.std(), 400], [-1, 0, 0.5, 1]),
        ("histogram", [0, 100, 125, 200, 400], [-1, -1, -0.5, 1, 1]),
    ],
)
def test_closed_forms(kind, values, expected):
    scale = IntensityScale(kind, 0, 100)
    measure = scale.measure(VOLUME)
    assert np.allclose(scale.fit(measure[None]).transform(np.array(values), measure), expected, atol=1e-6)


def test_a_histogram_scale_undoes_any_rising_map_and_the_others_do_not():
    generator = np.random.default_rng(0)
    plain = np.concatenate([np.zeros(20000), generator.gamma(4, 20, 20000) + 50])
    other = np.where(plain > 0, 0.02 * plain**1.5, 0)
    for kind, largest in (("histogram", 0.15), ("percentile", 2.1), ("z_score", 2.1)):
        scale = IntensityScale(kind)
        measures = np.stack([scale.measure(plain), scale.measure(other)])
        scale.fit(measures)
        error = np.abs(scale.transform(plain, measures[0]) - scale.transform(other, measures[1])).max()
        assert error < largest and (error > 0.3 or kind == "histogram")


def test_a_saved_scale_is_the_same(tmp_path):
    scale = IntensityScale("histogram", 2, 98)
    measure = scale.measure(VOLUME)
    with pytest.raises(RuntimeError, match="was not fitted"):
        scale.transform(VOLUME, measure)
    scale.save(tmp_path / "unfitted.json")
    with pytest.raises(ValueError, match="holds no fitted intensity scale"):
        IntensityScale.load(tmp_path / "unfitted.json")
    scale.fit(measure[None]).save(tmp_path / "a.json")
    again = IntensityScale.load(tmp_path / "a.json")
    assert again.describe() == scale.describe()
    assert np.array_equal(again.transform(VOLUME, measure), scale.transform(VOLUME, measure))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "minmax"}, "must be one of percentile, z_score, histogram, got 'minmax'"),
        ({"kind": "percentile", "lower": 20}, "0 <= lower < 10"),
        ({"kind": "z_score", "z_range": 0}, "z_range must be positive"),
    ],
)
def test_impossible_settings_raise(settings, message):
    with pytest.raises(ValueError, match=message):
        IntensityScale(**settings)
    with pytest.raises(ValueError, match="the training split, which has no usable volume"):
        IntensityScale("z_score").fit(np.empty((0, 13)))


def _extract(folder, run, scale, held_out_gain):
    """Four training volumes and two held out, the latter of any gain."""
    rng = np.random.default_rng(0)
    rows = []
    folder.mkdir()
    for i in range(6):
        split = "train" if i < 4 else "test"
        write_volume(folder / f"s{i}.nii.gz", volume(rng) * (1 if i < 4 else held_out_gain))
        rows.append({"image": str(folder / f"s{i}.nii.gz"), "subject": f"s{i}", "split": split})
    transform = Compose([LoadVolumed(), MeasureIntensityd(scale=scale), ExtractSlicesd(positions=[0.4, 0.6])])
    return extract_images(
        Cohort.from_records(rows), transform, run / "store", dtype="float32", intensity_scale=scale, progress=False
    )


@pytest.mark.parametrize("kind", ["percentile", "z_score", "histogram"])
def test_held_out_volumes_do_not_move_the_scale_and_get_it_all_the_same(tmp_path, kind):
    scales = [IntensityScale(kind) for _ in range(3)]
    one = _extract(tmp_path / "a", tmp_path / "r1", scales[0], 1)
    two = _extract(tmp_path / "b", tmp_path / "r2", scales[1], 50)
    assert scales[0].describe() == scales[1].describe() == two.meta["intensity_scale"]
    assert (tmp_path / "r1/intensity.json").read_text() == (tmp_path / "r2/intensity.json").read_text()
    train = np.flatnonzero(one.table["split"] == "train")
    test = np.flatnonzero(one.table["split"] == "test")
    assert torch.equal(one.batch(train), two.batch(train))
    moved = (one.batch(test) - two.batch(test)).abs().max()
    assert moved < 1e-5 if kind == "histogram" else moved > 0.5
    assert not [path for path in (tmp_path / "r1").iterdir() if path.name.startswith((".", "tmp"))]
    # What is stored is the scale's map of the slices as they are.
    plain = Compose([LoadVolumed(), MeasureIntensityd(scale=scales[2]), ExtractSlicesd(positions=[0.4, 0.6])])
    first = plain({"image": tmp_path / "a/s5.nii.gz"})
    known = IntensityScale.load(tmp_path / "r1/intensity.json")
    expected = known.transform(first[1]["image"].numpy(), first[1]["intensity"])
    assert np.array_equal(one.batch([test[-1]])[0].numpy(), expected)


def test_the_scale_of_another_run_is_not_fitted_again(tmp_path):
    _extract(tmp_path / "a", tmp_path / "r1", IntensityScale("percentile"), 1)
    known = IntensityScale.load(tmp_path / "r1/intensity.json")
    before = known.describe()
    rows = [{"image": str(tmp_path / "a/s0.nii.gz"), "subject": "new", "split": "train"}]
    transform = Compose([LoadVolumed(), MeasureIntensityd(scale=known), ExtractSlicesd(positions=[0.5])])
    extract_images(Cohort.from_records(rows), transform, tmp_path / "r2/store", intensity_scale=known, progress=False)
    assert known.describe() == before and IntensityScale.load(tmp_path / "r2/intensity.json").describe() == before


def test_a_transform_without_the_measure_is_named(tmp_path):
    write_volume(tmp_path / "a.nii.gz", volume(np.random.default_rng(0)))
    rows = [{"image": str(tmp_path / "a.nii.gz"), "subject": "a", "split": "train"}]
    with pytest.raises(ValueError, match="needs MeasureIntensityd among the transforms"):
        extract_images(
            Cohort.from_records(rows),
            Compose([LoadVolumed(), ExtractSlicesd()]),
            tmp_path / "run/store",
            intensity_scale=IntensityScale("z_score"),
            progress=False,
        )
