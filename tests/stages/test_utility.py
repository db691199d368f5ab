"""The utility stage as MONAI runs it: killed, it goes on with the next training and writes the same table."""

import pandas as pd

from monai_minority.evaluation.rare_classifier import RareClassifier
from monai_minority.reports.usefulness import usefulness_findings
from tests.bundles.test_pipeline import execute, workflow
from tests.run_folder import make_run

OPTIONS = {"utility_steps": 3, "utility_sizes": [2], "utility_amounts": [0.5, 9], "resamples": 20}
FEW = {"utility_trainings": 5, "utility_classifier::channels": [2, 2, 2, 2]}


def test_a_killed_stage_goes_on_and_ends_the_same(tmp_path, monkeypatch):
    trained, train, kill_at = [], RareClassifier.__call__, {}

    def counted(self, *args):
        if len(trained) == kill_at["training"]:
            raise KeyboardInterrupt
        trained.append(args)
        return train(self, *args)

    monkeypatch.setattr(RareClassifier, "__call__", counted)
    tables = []
    for name, kills in (("whole", [None]), ("killed", [7, None])):
        make_run(tmp_path / name)
        for kill_at["training"] in kills:
            try:
                execute(workflow("utility", tmp_path / name, **OPTIONS, **FEW))
            except KeyboardInterrupt:
                assert len(list((tmp_path / name / "evaluation" / "utility_trainings").iterdir())) == 7
        # Of each seed: real, oversampled, augmented; at each amount duplicated, and three of each of the two sets.
        assert len(trained) == 5 * (3 + 2 * 7)
        trained.clear()
        tables.append(pd.read_csv(tmp_path / name / "evaluation" / "utility.csv"))
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    table = tables[0].set_index(["arm", "amount"])
    assert (table["rare_subjects"] == 2).all() and (table["train_rare"] == 6).all()
    assert table.loc[("real and guided", 0.5), "added"].tolist() == [3] * 3
    assert table.loc[("real and guided", 9.0), "added"].tolist() == [12] * 3, (
        "the guided set has 12 of its rarest class"
    )
    assert (table["backbone"] == "learned from the rare images of all 3 subjects, at every size").all()
    assert table.loc["real and guided", "gain_over_duplicated_low"].notna().any()
    lines = usefulness_findings(tables[0])
    assert "Amounts above 12 images are cut to these: the sets have no more." in lines
