"""Public reasons are a few fixed words, whatever the message quotes."""

import pandas as pd
import pytest

from monai_minority.data import Pseudonyms, Rejection, write_private_tables
from monai_minority.data.cohort.reasons import CODES, reason_code

NAMES = ["Jo", "Li", "JANE", "doe", "o'neil", "/data/Jane Doe/scan.nii", "19470823", "Müller^Eva"]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_survives_in_the_public_table(tmp_path, name):
    """In other cases, as two letters, as a part of a path, quoted by a library."""
    texts = [f"OSError: {name.upper()} cannot be opened", f"{name} is damaged", f"no such thing as {name!r}", name]
    rejected = [Rejection(f"/data/{name}/{i}.nii", name, text) for i, text in enumerate(texts)]
    table = pd.DataFrame({"source": [], "pseudonym": [], "image": [], "subject": []}, dtype=object)
    write_private_tables(
        table, {}, rejected, Pseudonyms(tmp_path / "key"), tmp_path / "cohort.csv", tmp_path / "rejected.csv"
    )
    public = pd.read_csv(tmp_path / "rejected.csv", keep_default_na=False)
    assert set(public["reason"]) <= set(CODES) and len(public) == len(texts)
    assert name.lower() not in (tmp_path / "rejected.csv").read_text().lower().replace("source,subject,reason", "") or (
        len(name) == 2
    )
    assert pd.read_csv(tmp_path / "cohort.csv", dtype=str)["rejected"].tolist() == texts


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("the file is empty (0 bytes)", "empty"),
        ("series of 3 file(s): it must have at least 10 slices, got 3", "by_rule"),
        ("series of 33 file(s): a localiser", "localiser"),
        ("about 2 slice(s) are missing: 1 gap(s) of up to 6 mm, while the median gap is 2 mm", "slices_missing"),
        ("the image is 4-D, a series of 3 volumes; choose one with volume_index", "several_volumes"),
        ("all voxels have the same value (0)", "constant"),
        ("12 of 100 voxels are NaN or infinite", "voxels_not_finite"),
        ("the link leads nowhere: its content is kept by git-annex; use: datalad get", "content_not_fetched"),
        ("not a regular file but a named pipe", "not_a_regular_file"),
        ("the subject has no image", "missing"),
        ("what nobody has thought of", "other"),
    ],
)
def test_codes(reason, code):
    assert reason_code(reason) == code
