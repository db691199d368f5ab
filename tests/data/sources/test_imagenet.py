"""ImageNet's labels are those of published networks, in every layout."""

import numpy as np
import pytest
from PIL import Image

from monai_minority.data.sources import imagenet

# Places in the alphabetical list of the 1,000 synsets, as torchvision's networks number them.
TENCH, HEN, TOILET_TISSUE = ("n01440764", 0), ("n01514859", 8), ("n15075141", 999)


def test_folders_have_published_labels_also_where_classes_are_missing(tmp_path):
    names = [f"train/{TOILET_TISSUE[0]}/a.JPEG", f"train/{TENCH[0]}/b.JPEG", f"val/{HEN[0]}/c.JPEG", "val/other/d.JPEG"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (5, 4)).save(tmp_path / name, format="JPEG")
    cohort = imagenet(tmp_path)
    rows = cohort.table[["split", "group", "class_label"]].to_numpy().tolist()
    assert rows == [["train", *TENCH], ["train", *TOILET_TISSUE], ["validation", *HEN]]
    assert [entry.reason for entry in cohort.rejected] == ["its folder other is not a class of ImageNet"]


def _batch(path, labels):
    pixels = np.random.default_rng(len(labels)).integers(0, 256, (len(labels), 8, 8, 3), dtype=np.uint8)
    np.savez(path, data=pixels.transpose(0, 3, 1, 2).reshape(len(labels), -1), labels=np.array(labels))
    return pixels


def test_downsampled_batches(tmp_path):
    pixels = [_batch(tmp_path / "train_data_batch_3.npz", [1, 2, 1]), _batch(tmp_path / "val_data.npz", [3, 2])]
    cohort = imagenet(tmp_path)
    assert np.array_equal(list(cohort.images), np.concatenate(pixels))
    assert cohort.table["split"].tolist() == ["train"] * 3 + ["validation"] * 2
    assert cohort.table["class_label"].tolist() == [0, 1, 0, 2, 1]
    reasons = [entry.reason for entry in cohort.rejected]
    assert reasons[:9] == ["the file is missing from ImageNet"] * 9
    assert "class labels have the numbers of the batches, minus one, not the usual ones of ImageNet" in reasons[9]
    lines = [f"{synset} {number} a_name" for number, (synset, _) in enumerate((TOILET_TISSUE, TENCH, HEN), start=1)]
    (tmp_path / "map_clsloc.txt").write_text("\n".join(lines))
    table = imagenet(tmp_path).table
    assert table["class_label"].tolist() == [999, 0, 999, 8, 0]
    assert table["group"][3] == HEN[0]


def test_nothing_there(tmp_path):
    (tmp_path / "readme.txt").write_text("x")
    with pytest.raises(FileNotFoundError, match="holds no ImageNet: expected pictures as train/.*; found readme.txt"):
        imagenet(tmp_path)
