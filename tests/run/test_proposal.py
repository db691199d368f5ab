"""What a cohort holds is told, and what is proposed for it is an overlay of the bundle."""

import nibabel
import numpy as np
import pandas as pd
import pytest
import yaml
from torch import nn

from monai_minority.data import ImageStore
from monai_minority.run import Bundle, RunFolder, propose
from monai_minority.run.jobs import check_overlay


class Network(nn.Conv2d):
    def forward(self, x, timesteps):
        return super().forward(x)


@pytest.fixture
def folder(tmp_path):
    """A prepared cohort of 40 volumes, three of them of another contrast, with 5 slices each."""
    names = [tmp_path / f"sub-{i:02}_{'FLAIR' if i < 3 else 'T1w'}.nii.gz" for i in range(40)]
    for name in names:
        nibabel.save(nibabel.Nifti1Image(np.zeros((20, 96, 80), np.uint8), np.diag([1, 1.5, 2, 1])), name)
    subjects = [f"s{i:02}" for i in range(40)]
    cohort = {"image": [str(name) for name in names], "subject": subjects, "rejected": ""}
    lost = pd.DataFrame({"image": ["lost.nii"], "subject": ["x"], "rejected": ["the file does not exist"]})
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    pd.concat([pd.DataFrame(cohort), lost]).to_csv(run.cohort, index=False)
    table = {
        "source": np.repeat(subjects, 5),
        "subject": np.repeat(subjects, 5),
        "slice": np.tile(range(5), 40),
        "split": np.repeat(["train"] * 32 + ["validation"] * 4 + ["test"] * 4, 5),
    }
    ImageStore.create(run.store, np.zeros((200, 1, 8, 8), np.uint8), table, (0, 255))
    return run


def test_what_was_found_is_told(folder):
    proposal = propose(folder, lambda size: Network(1, 1, 3, padding=1), accelerator=False)
    assert proposal.found == [
        "40 volumes or pictures of 40 subjects, 1 entries left out; 200 images of 8 pixels",
        "test: 20 images, 4 subjects; train: 160 images, 32 subjects; validation: 20 images, 4 subjects",
        "voxels 20 x 96 x 80 (40); spacing in mm 1 x 1.5 x 2 (40)",
    ]
    (choice,) = proposal.choices
    assert choice.startswith("there is more than one contrast: T1w (37), FLAIR (3). Choose one")


@pytest.mark.parametrize(("accelerator", "size"), [(False, 64), (True, 64)])
def test_the_proposal_fits_the_cohort(folder, accelerator, size):
    asked = []

    def make(size):
        asked.append(size)
        return Network(1, 1, 3, padding=1)

    proposal = propose(folder, make, accelerator)
    values = {name: value for name, (value, _) in proposal.settings.items()}
    assert values["image_size"] == size and asked == [size], "volumes have a side of 80 pixels"
    assert len(values["slice_positions"]) == 15 and values["slice_positions"][0] == 0.4
    assert values["batch_size"] == (32 if accelerator else 16)
    assert set(proposal.hours) == {"train", "score", "train_classifier", "inference"}
    assert all(hours > 0 for hours in proposal.hours.values())
    assert proposal.told()[-1].startswith("Time on this machine as it is now: about ")


def test_no_more_slices_are_proposed_than_the_smallest_volume_has(folder):
    """Between 0.4 and 0.6 of a head of 26 to 36 slices lie as many as between the slices 14 and 20."""
    store = ImageStore.open(folder.store)
    table = store.table.assign(position=np.tile(np.linspace(0.4, 0.6, 5), 40), slice=np.tile([15, 17, 18, 20, 22], 40))
    table.loc[:4, "slice"] = [14, 15, 17, 18, 20]
    ImageStore.create(
        folder.store, store.batch(slice(None)).numpy(), table, (-1, 1), overwrite=True, position_unit="fraction"
    )
    proposal = propose(folder, lambda size: Network(1, 1, 3, padding=1), accelerator=False)
    places = np.array(proposal.settings["slice_positions"][0])
    assert len(places) == 6
    for count in (26, 31, 36):
        assert len(set(np.floor(places * (count - 1) + 0.5))) == 6


def test_the_overlay_is_one_of_the_bundle(folder, tmp_path):
    proposal = propose(folder, lambda size: Network(1, 1, 3, padding=1), accelerator=False)
    path = tmp_path / "plan.yaml"
    path.write_text(proposal.overlay())
    bundle = Bundle("brain_mri")
    check_overlay(bundle, path, bundle.layers([str(path)]))
    assert yaml.safe_load(path.read_text()) == {name: value for name, (value, _) in proposal.settings.items()}
