"""The overlay lgg_flair_severity on pictures of discs of known area: what it learns is the area it measures."""

import numpy as np
import pandas as pd
import pytest
from monai.bundle import ConfigParser, ConfigWorkflow
from monai.utils import set_determinism
from PIL import Image

from monai_minority.data import ImageStore
from monai_minority.stages import masked_pictures
from tests.small_cohort import BUNDLE, configs

SIDE, PICTURES = 32, 60
ROLES = np.repeat(["train", "extra", "reference", "test"], [24, 16, 10, 10])
RADII = np.where(np.arange(PICTURES) % 2, 3 + np.arange(PICTURES) % 7, 0)  # every second picture has a disc


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("discs")
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    rows = []
    for i, radius in enumerate(RADII):
        disc = (x - rng.integers(-5, 6)) ** 2 + (y - rng.integers(-5, 6)) ** 2 < radius**2
        pixels = 90 + 100 * disc + rng.normal(0, 8, disc.shape)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / "images" / f"{i:02d}.png")
        if radius:
            mask = Image.fromarray((255 * disc).astype(np.uint8))
            (mask.convert("1") if i % 4 == 1 else mask).save(folder / "masks" / f"{i:02d}.png")
        rows.append(
            {
                "file": f"images/{i:02d}.png",
                "subject": f"p{i if ROLES[i] != 'extra' else i - 16}",  # extra slices are of training patients
                "group": "lesion" if radius else "normal",
                "severity": disc.mean(),
                "z": i / PICTURES,
                "role": ROLES[i],
                "mask": f"masks/{i:02d}.png" if radius else "",
            }
        )
    pd.DataFrame(rows).to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


def test_the_network_measures_the_area_of_the_masks(table, tmp_path):
    settings = {"bundle_root": str(BUNDLE), "run_dir": str(tmp_path), "dataset_dir": str(table), "image_size": SIDE}
    try:
        for stage in ("prepare", "train_segmentation"):
            flow = ConfigWorkflow(
                configs("common", stage, "lgg_flair", "lgg_flair_severity"),
                logging_file=False,
                device="$torch.device('cpu')",
                **({"num_workers": 0} if stage == "prepare" else {"segmentation_epochs": 60}),
                **settings,
            )
            flow.initialize()
            flow.run()
            flow.finalize()
    finally:
        set_determinism(None)
    dice = float((tmp_path / "segmentation" / "metrics.csv").read_text().strip().split(",")[1])
    assert dice > 0.9
    store = ImageStore.open(tmp_path / "store")
    assert "extra" not in set(store.table["split"]), "it learned from slices that the backbone does not see"
    parser = ConfigParser()
    parser.read_config(configs("common", "lgg_flair", "lgg_flair_severity"))
    for key, value in settings.items():
        parser[key] = value
    unseen = store.subset(split="test")
    areas = parser.get_parsed_content("severity")(unseen.batch(slice(None))).numpy()
    truth = 100 * unseen.table["severity"].to_numpy()
    assert np.abs(areas - truth).max() < 1.5, "per cent of the picture"
    assert np.corrcoef(areas, truth)[0, 1] > 0.97


def test_masks_are_beside_their_pictures_and_none_is_empty(table):
    found = masked_pictures(table, ["reference"], image="file", split="role")
    assert len(found) == 10 and [isinstance(entry["label"], str) for entry in found] == [False, True] * 5
    assert found[0]["label"].shape == (SIDE, SIDE) and not found[0]["label"].any()
    assert found[1]["label"] == found[1]["image"].replace("images", "masks")
    with pytest.raises(ValueError, match="validation have 0 pictures and no mask; the column role has extra, refer"):
        masked_pictures(table, ["validation"], image="file", split="role")
    with pytest.raises(ValueError, match="must have the columns image, mask and split, it lacks image, split"):
        masked_pictures(table, ["train"])
