"""CelebA's lists in both formats, persons as subjects, and what is listed but absent."""

import pytest
from PIL import Image

from monai_minority.data.sources import celeba

ROWS = {"000001.jpg": (0, -1, 1), "000002.jpg": (1, 1, 1), "000003.jpg": (2, 1, -1), "000004.jpg": (0, -1, -1)}


def _write(root, pictures=ROWS, text=True, people=True):
    (root / "img_align_celeba").mkdir(parents=True)
    for name in pictures:
        Image.new("RGB", (178, 218)).save(root / "img_align_celeba" / name)
    parts = {name: row[0] for name, row in ROWS.items()}
    if text:
        (root / "list_eval_partition.txt").write_text("".join(f"{name} {part}\n" for name, part in parts.items()))
        lines = "".join(f"{name}  {a} {b}\n" for name, (_, a, b) in ROWS.items())
        (root / "list_attr_celeba.txt").write_text(f"{len(ROWS)}\nEyeglasses Smiling\n{lines}")
    else:
        rows = "".join(f"{name},{part}\n" for name, part in parts.items())
        (root / "list_eval_partition.csv").write_text("image_id,partition\n" + rows)
        lines = "".join(f"{name},{a},{b}\n" for name, (_, a, b) in ROWS.items())
        (root / "list_attr_celeba.csv").write_text("image_id,Eyeglasses,Smiling\n" + lines)
    if people:
        (root / "identity_CelebA.txt").write_text("".join(f"{name} {77 + i // 2}\n" for i, name in enumerate(ROWS)))


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("folder", [".", "celeba"])
def test_lists(tmp_path, text, folder):
    _write(tmp_path / folder, text=text)
    table = celeba(tmp_path, label="Eyeglasses").table.sort_values("image")
    assert table["split"].tolist() == ["train", "validation", "test", "train"]
    assert table[["Eyeglasses", "Smiling"]].to_numpy().tolist() == [[0, 1], [1, 1], [1, 0], [0, 0]]
    assert table["class_label"].tolist() == [0, 1, 1, 0]
    assert table["group"].tolist() == ["not Eyeglasses", "Eyeglasses", "Eyeglasses", "not Eyeglasses"]
    assert table["subject"].tolist() == ["77", "77", "78", "78"]


def test_pictures_that_are_not_there_are_counted(tmp_path):
    _write(tmp_path, pictures=["000002.jpg", "000003.jpg"], people=False)
    cohort = celeba(tmp_path)
    assert cohort.table["subject"].tolist() == ["000002.jpg", "000003.jpg"]
    assert "class_label" not in cohort.table
    (entry,) = cohort.rejected
    assert entry.reason == "2 of the 4 listed pictures are missing, the first is 000001.jpg"


def test_errors_name_what_is_expected(tmp_path):
    _write(tmp_path)
    with pytest.raises(ValueError, match="label must be an attribute of CelebA, got 'Hat'; it has Eyeglasses, Smiling"):
        celeba(tmp_path, label="Hat")
    (tmp_path / "list_attr_celeba.txt").unlink()
    with pytest.raises(FileNotFoundError, match="holds no CelebA: expected img_align_celeba/"):
        celeba(tmp_path)
