"""The overlay of the patients with glioma reads the cohort as its table says."""

import numpy as np
import pandas as pd
import pytest
from monai.bundle import ConfigWorkflow
from monai.utils import set_determinism
from PIL import Image

from monai_minority.data import ImageStore
from tests.small_cohort import BUNDLE, configs


@pytest.mark.data
def test_stores_the_roles_as_given(data_dir, tmp_path):
    table = pd.read_csv(data_dir / "lgg_flair" / "table.csv")
    try:
        flow = ConfigWorkflow(
            configs("common", "prepare", "lgg_flair"),
            logging_file=False,
            bundle_root=str(BUNDLE),
            run_dir=str(tmp_path / "run"),
            dataset_dir=str(data_dir / "lgg_flair" / "table.csv"),
            image_size=128,
            num_workers=0,
        )
        flow.initialize()
        flow.run()
        flow.finalize()
    finally:
        set_determinism(None)
    store = ImageStore.open(tmp_path / "run" / "store")
    assert store.image_shape == (1, 128, 128)
    splits = store.table.groupby("split")
    assert splits.size().to_dict() == {"reference": 205, "test": 411, "train": 813}
    assert splits["subject"].nunique().to_dict() == {"reference": 9, "test": 18, "train": 74}
    assert (store.table["group"] != "normal").groupby(store.table["split"]).sum()["train"] == 36
    # At 128 pixels the store has the pictures' own values, and height and severity of the same row.
    cohort = pd.read_csv(tmp_path / "run" / "cohort.csv").set_index("source")
    for row in (0, 700, 1428):
        source = store.table["source"][row]
        picture = np.asarray(Image.open(cohort.loc[source, "image"]))
        assert (np.rint((store.batch([row])[0, 0].numpy() + 1) * 127.5) == picture).all()
        entry = table[table["file"] == "images/" + cohort.loc[source, "image"].rsplit("/", 1)[1]].iloc[0]
        assert store.table["z"][row] == entry["z"] and store.table["severity"][row] == entry["severity"]
