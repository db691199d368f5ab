"""``natural_images`` over the stages of ``brain_mri``: overlays that fit them, and two runs from files to report."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from monai.bundle import ConfigParser
from monai.bundle.reference_resolver import ReferenceResolver
from PIL import Image

from monai_minority.data import ImageStore
from monai_minority.run.bundle import Bundle
from monai_minority.run.jobs import Planner, pipeline_jobs
from tests.data.sources.test_fashion_mnist import write_set
from tests.small_cohort import run_pipeline

BUNDLE = Path(__file__).parents[2] / "bundles" / "natural_images"
SHARED = Bundle(BUNDLE).shared
FILES = {path.stem: path for path in (BUNDLE / "configs" / "overlays").rglob("*.yaml")}
OVERLAYS = sorted(FILES)
DATA_SETS = [name for name in OVERLAYS if "\ncohort:" in FILES[name].read_text()]
STAGES = ["prepare", "train", "score", "cut", "train_classifier", "inference", "evaluate", "report"]


def _parser(stage: str, *overlays: str, **overrides: object) -> ConfigParser:
    parser = ConfigParser()
    files = [SHARED / "common.yaml", SHARED / f"{stage}.yaml"]
    known = Bundle(BUNDLE).overlays
    files += [BUNDLE / "configs" / "common.yaml", *(known[name] for name in overlays)]
    parser.read_config(list(map(str, files)))
    for key, value in {"bundle_root": str(BUNDLE), **overrides}.items():
        parser[key] = value
    return parser


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_references_of_every_stage_resolve(overlay):
    for stage in STAGES:
        parser = _parser(stage, overlay)
        parser.parse()
        items = parser.ref_resolver.items
        missing = {
            reference
            for name, item in items.items()
            for reference in ReferenceResolver.find_refs_in_config(config=item.get_config(), id=name)
            if reference not in items
        }
        assert missing == set(), stage


def test_the_documented_overlay_for_a_checkpoint_of_ones_own_fits(tmp_path):
    """The network is that of guided-diffusion's defaults, and every setting has a place."""
    path = tmp_path / "mine.yaml"
    path.write_text((BUNDLE / "docs" / "README.md").read_text().split("```yaml\n")[1].split("```")[0])
    planner = Planner(Bundle(BUNDLE), [str(path)], {"dataset_dir": str(tmp_path), "run_dir": str(tmp_path / "run")})
    config = planner.setting("network_def").config
    assert (config.channel_mult, config.attention_resolutions, config.out_channels) == ((1, 2, 3, 4), (4, 8), 6)
    assert "train" not in [job.stage for job in pipeline_jobs(planner)]


@pytest.mark.parametrize("overlay", DATA_SETS)
def test_data_set_exists_and_takes_its_options(overlay, tmp_path):
    parser = _parser("prepare", overlay, dataset_dir=str(tmp_path / "gone"))
    cohort = parser.get_parsed_content("cohort")
    with pytest.raises(FileNotFoundError, match="gone does not exist; .* expected there"):
        cohort(**parser.get_parsed_content("dataset_options"))


@pytest.mark.parametrize("conditional", [(), ("conditional",)], ids=["as it is", "conditional"])
@pytest.mark.parametrize("overlay", DATA_SETS)
def test_networks_can_be_built_and_fit_the_images(overlay, conditional):
    """On the meta device, so that the paper's sizes cost nothing."""
    parser = _parser("score", overlay, *conditional, feature_classifier_path="", backbone="@network_def")
    if conditional and not parser["num_class_labels"]:
        pytest.skip("the data set has no class labels")
    if parser["num_classes"] == "auto":
        parser["num_classes"] = 4
    if "CascadedClassifier" in str(parser["classifier_def"]):
        parser["classifier_def::extractor"] = "@feature_classifier_def"
    with torch.device("meta"):
        network, classifier = (parser.get_parsed_content(name) for name in ("network_def", "classifier_def"))
        shape = parser.get_parsed_content("image_shape")
        labels = torch.zeros(2, dtype=torch.int64) if parser["class_conditional"] else None
        assert bool(conditional) <= (labels is not None)
        x, timesteps = torch.zeros(2, *shape), torch.zeros(2)
        output = network(x, timesteps, class_labels=labels)
        assert output.shape[0] == 2 and output.shape[1] in (shape[0], 2 * shape[0]) and output.shape[2:] == shape[1:]
        assert classifier(x, timesteps, class_labels=labels).shape == (2, parser["num_classes"])
        discriminator = parser.get_parsed_content("discriminator_def")
        assert discriminator(x, timesteps).shape == (2, 2), "labels are nothing to it"


def test_settings_of_the_paper():
    expected = {  # its Table 2
        "cifar10": (32, 4000, "improved_cosine", 100, 128, 12000, 3e-4, 0.05, 8.0),
        "celeba": (64, 1000, "improved_cosine", 100, 256, 20000, 3e-4, 0.05, 4.0),
        "lsun_bedrooms": (256, 1000, "improved_linear", 100, 256, 60000, 3e-4, 0.05, 3.5),
        "imagenet64": (64, 1000, "improved_cosine", 25, 1024, 60000, 6e-4, 0.2, 2.5),
    }
    keys = ["image_size", "num_train_timesteps", "schedule", "num_classes", "classifier_batch_size"]
    keys += ["classifier_iterations", "classifier_learning_rate", "classifier_weight_decay", "guidance_scale"]
    for overlay, values in expected.items():
        parser = _parser("inference", overlay)
        assert tuple(parser[key] for key in keys) == values, overlay
        assert parser["sampling_steps"] == 250
    assert _parser("score", "cifar10")["rescale_timesteps"] is True


def _run(run_dir, *arguments):
    return run_pipeline(run_dir, *arguments, bundle=BUNDLE)


def test_an_unconditional_run_from_idx_files_to_the_report(tmp_path):
    pixels = write_set(tmp_path / "idx", count=40)
    settings = ["keep_abnormal=2", "dataset_options={}", "sample_sets={guided: {target_classes: [0, 2]}}"]
    result = _run(tmp_path / "run", "--overlay", "fashion_small", "--dataset-dir", tmp_path / "idx", *settings)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "run" / "report.html").is_file()
    store = ImageStore.open(tmp_path / "run" / "store")
    assert store.image_shape == (1, 16, 16)
    expected = pixels["train"][:, 6:22, 6:22]
    stored = np.load(store.path / "images.npy")[:40, 0]
    assert np.array_equal(stored, expected), "cropped by the smoke overlay's size, else to the last grey level"
    bags = store.table[store.table["group"] == "Bag"]
    assert bags["split"].value_counts().to_dict() == {"train": 2, "reference": 2, "test": 4}
    assert "axis" not in store.geometry
    samples = ImageStore.open(tmp_path / "run" / "samples" / "guided").table
    assert "class_label" not in samples


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three classes of 20 pictures in colour, of several shapes."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for name in "abc":
        (root / name).mkdir()
        for i in range(20):
            pixels = rng.integers(0, 256, (20 + i % 3, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i:02d}.png")
    return root


def test_a_conditional_run_with_both_guidances(folder, tmp_path):
    """Eq. 16 and 17 and Appendix D.9 through the command, from pictures to the report."""
    run_dir = tmp_path / "run"
    shared = ["--dataset-dir", folder, "num_class_labels=3"]
    conditional = ["--overlay", "conditional", "num_classes=2", "images_per_class=6", "timestep_images=48"]
    sets = "sample_sets={unguided: {target_classes: []}, guided: {target_classes: [1], sample_labels: [2, 0]}}"
    result = _run(run_dir, *shared, *conditional, sets, "stratify=group")
    assert result.exit_code == 0, result.output
    store = ImageStore.open(run_dir / "store")
    train = store.table[store.table["split"] == "train"]
    counts = train.groupby(["class_label", "minority_class"]).size()
    assert len(counts) == 6 and counts.groupby("class_label").agg(np.ptp).max() <= 1, "halves of each class"
    classes = json.loads((run_dir / "classes.json").read_text())
    assert [entry["group"] for entry in classes["groups"]] == [0, 1, 2]
    samples = ImageStore.open(run_dir / "samples" / "guided").table
    assert samples["class_label"].tolist() == [2, 0, 2, 0, 2, 0]
    generated = pd.read_csv(run_dir / "evaluation" / "generated.csv")
    assert set(generated.loc[generated["set"] == "unguided", "class_label"]) == {0, 1, 2}
    cuts = {entry["group"]: entry["thresholds"][0] for entry in classes["groups"]}
    above = generated["minority_score"] > generated["class_label"].map(cuts)
    assert generated["minority_class"].tolist() == above.astype(int).tolist()

    before = pd.read_csv(run_dir / "scores.csv")["minority_score"]
    again = _run(run_dir, *shared, *conditional, sets, "stratify=group")
    assert again.stdout.count("unchanged, not run again") == 10, again.stdout

    both = [*shared, *conditional[2:], "class_conditional=true", "group_column=class_label", "stratify=group"]
    guided = ["--overlay", "label_guidance", "sample_sets={both: {target_classes: [1]}}"]
    small = ["label_classifier_def::network::channels=[16,32]", "label_classifier_def::network::num_res_blocks=[1,1]"]
    small += ["label_classifier_def::network::attention_levels=[false,false]"]
    small += ["label_classifier_def::network::norm_num_groups=8"]
    trained = _run(run_dir, *both, *guided, *small, "--overlay", "label_classifier", "--stage", "train_classifier")
    assert trained.exit_code == 0, trained.output
    assert (run_dir / "label_classifier" / "validation.csv").is_file()
    sampled = _run(run_dir, *both, *guided, *small, "--stage", "inference")
    assert sampled.exit_code == 0, sampled.output
    pair = ImageStore.open(run_dir / "samples" / "both")
    assert pair.meta["label_scale"] == 2.0 and pair.meta["scale"] == 2.0
    assert pd.read_csv(run_dir / "scores.csv")["minority_score"].equals(before)


def test_shared_stages_that_are_not_there_are_named(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "common.yaml").write_text("stage_configs: ../elsewhere\n")
    with pytest.raises(FileNotFoundError, match="stage_configs of .* must be a folder with common.yaml"):
        Bundle(tmp_path)


def test_the_shared_stages_are_those_of_the_package_where_the_bundle_was_moved_alone(tmp_path):
    moved = Path(shutil.copytree(Bundle("natural_images").path, tmp_path / "natural_images"))
    assert Bundle(moved).configs == moved / "configs" and Bundle(moved).shared == Bundle("brain_mri").configs
