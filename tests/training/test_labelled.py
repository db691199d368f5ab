"""Images, labels and seeds for validation."""

import torch

from monai_minority.training import LabelledPrepareBatch


def test_hands_over_images_labels_and_seeds():
    batch = {
        "image": torch.rand(3, 1, 2, 2),
        "seed": torch.tensor([4, 5, 6]),
        "minority_class": torch.tensor([2, 0, 1], dtype=torch.int32),
    }
    images, labels, arguments, call = LabelledPrepareBatch("minority_class")(batch, torch.device("cpu"))
    assert torch.equal(images, batch["image"])
    assert labels.tolist() == [2, 0, 1]
    assert labels.dtype == torch.int64
    assert arguments == ()
    assert {name: value.tolist() for name, value in call.items()} == {"seeds": [4, 5, 6]}
    labelled = batch | {"class_label": torch.tensor([9, 8, 7], dtype=torch.int32)}
    call = LabelledPrepareBatch("minority_class")(labelled)[3]
    assert call["class_labels"].tolist() == [9, 8, 7]
    assert call["class_labels"].dtype == torch.int64
