"""The demonstration's cohort: scored, cut, and judged on subjects that the backbone never saw."""

import numpy as np
import pandas as pd
import pytest

from monai_minority.data import ImageStore
from monai_minority.run import Bundle
from monai_minority.run.jobs import Job, Planner
from monai_minority.scoring import QuantileClasses

SHIPPED = Bundle("brain_mri").path


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    planner = Planner(Bundle("brain_mri"), ["phantom", "demo"], {"run_dir": str(folder)})
    planner.run([Job("shipped_run", "shipped_run")], print)
    return ImageStore.open(folder / "store")


def test_the_held_out_subjects_are_in_the_test_split(store):
    held_out = ImageStore.open(SHIPPED / "held_out")
    added = store.table[960:]
    assert added["subject"].tolist() == held_out.table["subject"].tolist() and set(added["split"]) == {"test"}
    assert added.groupby("group")["subject"].nunique().to_dict() == {"atrophy": 45, "normal": 255}
    assert np.array_equal(store.batch([960, 1859]), held_out.batch([0, 899]))


def test_every_image_has_the_score_that_shipped_and_its_class(store):
    scores = pd.read_csv(SHIPPED / "demo" / "scores.csv")["minority_score"].to_numpy()
    table = store.table
    assert np.allclose(table["minority_score"], scores, rtol=1e-6) and np.isfinite(table["minority_score_error"]).all()
    classes = QuantileClasses.load(SHIPPED / "demo" / "classes.json")
    assert table["minority_class"].tolist() == classes.transform(scores).tolist()
    shipped = ImageStore.open(SHIPPED / "demo" / "store").table
    assert table["minority_class"][:960].tolist() == shipped["minority_class"].tolist()
    assert np.allclose(table["score_rank"][:960], shipped["score_rank"])


def test_it_is_made_anew_where_what_ships_has_changed(store, capsys):
    folder = store.path.parent
    planner = Planner(Bundle("brain_mri"), ["phantom", "demo"], {"run_dir": str(folder), "held_out_store": "$None"})
    planner.run([Job("shipped_run", "shipped_run")], print)
    assert len(ImageStore.open(folder / "store")) == 960 and "shipped_run: done" in capsys.readouterr().out


def test_scores_of_other_images_are_refused(tmp_path):
    given = {"run_dir": str(tmp_path), "held_out_store": str(SHIPPED / "demo" / "store")}
    with pytest.raises(RuntimeError) as raised:
        Planner(Bundle("brain_mri"), ["phantom", "demo"], given).run([Job("shipped_run", "shipped_run")], print)
    assert "must hold other subjects" in str(raised.value.__cause__ or raised.value.__context__)


def test_the_curve_of_an_earlier_choice_of_the_timestep_goes(tmp_path):
    (tmp_path / "timestep.csv").write_text("timestep,chosen\n500,True\n")
    Planner(Bundle("brain_mri"), ["phantom", "demo"], {"run_dir": str(tmp_path)}).run([Job("shipped_run", "")], print)
    assert not (tmp_path / "timestep.csv").exists()
