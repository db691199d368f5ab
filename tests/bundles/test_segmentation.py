"""A segmentation network trained on masks of known size, and the severity that it measures."""

import json

import numpy as np
import pandas as pd
import pytest
from monai.bundle import ConfigParser, ConfigWorkflow
from monai.utils import set_determinism

from monai_minority.data import ImageStore
from monai_minority.evaluation.severity import LabelArea
from tests.small_cohort import BUNDLE, configs, write_volume

SIDE, POSITIONS = 20, [0.42, 0.5, 0.58]


def ball(radius: float) -> np.ndarray:
    grid = np.stack(np.meshgrid(*[np.arange(SIDE) - (SIDE - 1) / 2] * 3, indexing="ij"))
    return (grid**2).sum(0) < radius**2


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Ten bright balls of radius 3 to 7.5 in noise, their masks, and the run that learned them."""
    folder = tmp_path_factory.mktemp("balls")
    rng = np.random.default_rng(0)
    for kind in ("images", "labels"):
        (folder / kind).mkdir()
    for i, radius in enumerate(np.linspace(3, 7.5, 10)):
        mask = ball(radius)
        write_volume(folder / "images" / f"ball-{i}.nii.gz", (mask + rng.normal(0, 0.1, mask.shape)).astype(np.float32))
        write_volume(folder / "labels" / f"ball-{i}.nii.gz", (mask * (1 + i % 2)).astype(np.float32))
    options = {
        "device": "$torch.device('cpu')",
        "image_size": SIDE,
        "slice_positions": POSITIONS,
        "slice_extent": "volume",
        "num_workers": 0,
        "segmentation_field": [SIDE, SIDE],
        "segmentation_epochs": 40,
    }
    try:
        for stage in ("prepare", "train_segmentation"):
            data = {"dataset_dir": str(folder / "images")} if stage == "prepare" else {}
            flow = ConfigWorkflow(
                configs("common", stage),
                logging_file=False,
                bundle_root=str(BUNDLE),
                run_dir=str(folder / "run"),
                **options,
                **data,
            )
            flow.initialize()
            flow.run()
            flow.finalize()
    finally:
        set_determinism(None)
    return folder / "run"


def test_learns_the_masks(run):
    name, value = (run / "segmentation" / "metrics.csv").read_text().strip().split(",")
    assert name == "dice" and float(value) > 0.9
    assert "segmentation" in json.loads((run / "run.json").read_text())["stages"]


def test_the_overlay_measures_their_area(run):
    parser = ConfigParser()
    parser.read_config(configs("common", "hippocampus_severity"))
    parser["bundle_root"], parser["run_dir"], parser["image_size"] = str(BUNDLE), str(run), SIDE
    measure = parser.get_parsed_content("severity")
    assert isinstance(measure, LabelArea)
    store = ImageStore.open(run / "store")
    areas = -measure(store.batch(slice(None))).numpy() / (32 / SIDE) ** 2
    numbers = pd.read_csv(run / "cohort.csv").set_index("source")["subject"].str[-1].astype(int)
    radii = np.linspace(3, 7.5, 10)[numbers[store.table["source"]].to_numpy()]
    truth = np.array([ball(r)[:, :, z].sum() for r, z in zip(radii, store.table["slice"], strict=True)])
    assert np.corrcoef(areas, truth)[0, 1] > 0.97
    assert np.abs(areas / truth - 1).mean() < 0.1
