"""Every bundle keeps MONAI's specification, offline, and its configurations name only what exists."""

import functools
import inspect
import json
import logging
import pydoc
import re
import runpy
import shutil
import socket
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import monai.bundle
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow, run, verify_metadata, verify_net_in_out
from monai.bundle.reference_resolver import ReferenceResolver
from packaging.version import Version

from monai_minority import __version__
from monai_minority.data import ImageStore
from monai_minority.networks import save_weights
from monai_minority.run import Configuration
from monai_minority.run.bundle import Bundle

ROOT = Path(__file__).parents[2]
BUNDLES = sorted(path.parent.parent for path in ROOT.glob("bundles/*/configs/metadata.json"))
CONFIGS = [path for bundle in BUNDLES for path in sorted((bundle / "configs").rglob("*.yaml"))]
STAGES = [path for path in CONFIGS if "run" in ConfigParser.load_config_file(path)]
OVERLAYS = [path for path in CONFIGS if path not in STAGES and path.stem != "common"]
SCHEMA = Path(__file__).with_name("metadata_schema.json")
REQUIRED_METADATA = [
    "schema",
    "version",
    "monai_version",
    "pytorch_version",
    "numpy_version",
    "required_packages_version",
    "task",
    "description",
    "authors",
    "copyright",
    "network_data_format",
]


def _name(path: Path) -> str:
    return path.name if path.suffix == "" else f"{_bundle_of(path).name}/{path.stem}"


def _bundle_of(config: Path) -> Path:
    return next(bundle for bundle in BUNDLES if bundle in config.parents)


def _config(bundle: Path, *names: str) -> list[str]:
    """Configurations as the command merges them: a bundle may share another's stages, under its own settings."""
    found = Bundle(bundle)
    known = {**found.overlays, **found.stages}
    stages = [str(known[name]) for name in names if name in found.stages]
    overlays = [str(known[name]) for name in names if name in found.overlays]
    return [*map(str, found.common()), *stages, *map(str, found.layers([])), *overlays]


def _metadata(bundle: Path) -> dict[str, Any]:
    return json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))


def _walk(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a nested configuration with the path to it."""
    yield where, value
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield from _walk(item, f"{where}::{key}".removeprefix("::"))


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def run_dir(tmp_path) -> Path:
    """A run folder after the stages before sampling, with pictures that fit the smoke overlay."""
    images = np.random.default_rng(0).integers(0, 256, (12, 1, 16, 16)).astype(np.uint8)
    table = {
        "source": [f"s{i}" for i in range(12)],
        "subject": [f"s{i}" for i in range(12)],
        "slice": [0] * 12,
        "split": ["train"] * 6 + ["validation"] * 3 + ["test"] * 3,
        "minority_score": np.linspace(0, 1, 12),
        "minority_class": [0, 1, 2] * 4,
    }
    ImageStore.create(tmp_path / "store", images, table, (0, 255))
    (tmp_path / "classes.json").write_text("{}")
    (tmp_path / "scores.csv").write_text("source,slice\n")
    return tmp_path


def test_there_are_bundles():
    assert [bundle.name for bundle in BUNDLES] == ["brain_mri", "natural_images"]
    assert {"train", "inference"} <= {path.stem for path in STAGES} and "smoke" in {path.stem for path in OVERLAYS}


@pytest.mark.parametrize("bundle", BUNDLES, ids=_name)
class TestBundle:
    def test_files(self, bundle):
        needed = ["LICENSE", "configs/metadata.json", "configs/logging.conf", "docs/README.md", "docs/data_license.txt"]
        assert [name for name in needed if not (bundle / name).is_file()] == []

    def test_holds_no_python(self, bundle):
        assert [str(path) for pattern in ("*.py", "*.ipynb") for path in bundle.rglob(pattern)] == []

    def test_metadata_fits_the_schema(self, bundle, offline):
        verify_metadata(meta_file=str(bundle / "configs" / "metadata.json"), filepath=str(SCHEMA))

    @pytest.mark.parametrize("key", REQUIRED_METADATA[1:])  # without "schema" MONAI does not even look for one
    def test_schema_misses_what_is_not_there(self, bundle, key, tmp_path, offline):
        metadata = _metadata(bundle)
        del metadata[key]
        (tmp_path / "metadata.json").write_text(json.dumps(metadata))
        with pytest.raises(ValueError, match=f"'{key}' is a required property"):
            verify_metadata(meta_file=str(tmp_path / "metadata.json"), filepath=str(SCHEMA))

    @pytest.mark.parametrize(
        "path, value",
        [
            (("version",), "one"),
            (("network_data_format", "inputs", "image", "num_channels"), "1"),
            (("network_data_format", "outputs", "pred", "value_range"), ["low", "high"]),
            (("network_data_format", "outputs", "pred", "dtype"), "float"),
            (("intended_use",), ""),
        ],
    )
    def test_schema_refuses_what_is_wrong(self, bundle, path, value, tmp_path, offline):
        metadata = _metadata(bundle)
        inner = metadata
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        (tmp_path / "metadata.json").write_text(json.dumps(metadata))
        with pytest.raises(ValueError, match="Failed validating"):
            verify_metadata(meta_file=str(tmp_path / "metadata.json"), filepath=str(SCHEMA))

    def test_metadata_tells_the_versions(self, bundle):
        metadata = _metadata(bundle)
        assert metadata["version"] in metadata["changelog"]
        assert metadata["required_packages_version"]["monai-minority"] == __version__
        # The package pins a minor version of MONAI, and the bundle is of the same one.
        assert Version(metadata["monai_version"]).release[:2] == Version(version("monai")).release[:2]

    def test_metadata_tells_the_shapes(self, bundle):
        metadata = _metadata(bundle)
        complete = bundle / "configs" / "inference.json"
        parser = ConfigParser.load_config_files([complete] if complete.is_file() else _config(bundle, "common"))
        for network in ("network_data_format", "classifier_data_format"):
            inputs = metadata[network]["inputs"]
            assert inputs["image"]["spatial_shape"] == [parser["image_size"]] * 2
            assert inputs["timesteps"]["value_range"] == [0, parser["num_train_timesteps"] - 1]
        assert metadata["classifier_data_format"]["outputs"]["pred"]["num_channels"] >= 2, "of an example: it is chosen"

    def test_networks_give_what_the_metadata_says(self, bundle, tmp_path):
        metadata = _metadata(bundle)
        common, meta = _config(bundle, "common"), str(bundle / "configs" / "metadata.json")
        timesteps = torch.tensor([500])
        verify_net_in_out(
            "network_def",
            meta,
            common,
            device="cpu",
            extra_forward_args={"timesteps": timesteps},
            bundle_root=str(bundle),
        )
        # MONAI compares channels and type of the backbone alone; sizes and the classifier are left.
        parser = ConfigParser()
        parser.read_config(common)
        parser["bundle_root"], parser["run_dir"] = str(bundle), str(tmp_path)
        parser["num_classes"] = metadata["classifier_data_format"]["outputs"]["pred"]["num_channels"]
        save_weights(parser.get_parsed_content("network_def"), tmp_path / "backbone" / "model.pt")  # the classifier's
        for network, name in (("network_def", "network_data_format"), ("classifier_def", "classifier_data_format")):
            image, pred = metadata[name]["inputs"]["image"], metadata[name]["outputs"]["pred"]
            x = torch.randn(1, image["num_channels"], *image["spatial_shape"])
            with torch.no_grad():
                output = parser.get_parsed_content(network).eval()(x, timesteps)
            assert list(output.shape) == [1, pred["num_channels"], *pred["spatial_shape"]]
            assert str(output.dtype) == f"torch.{pred['dtype']}"

    def test_shipped_weights_fit_their_overlay(self, bundle):
        """The specification asks for ``models/model.pt``; the overlay that names it is the one it was trained under."""
        weights = bundle / "models" / "model.pt"
        owners = [path for path in (bundle / "configs").rglob("*.yaml") if "/models/model.pt" in path.read_text()]
        assert bool(owners) == weights.is_file()
        assert not owners or weights.stat().st_size <= 20 << 20
        for overlay in owners:
            parser = ConfigParser()
            parser.read_config([*_config(bundle, "common"), str(overlay)])
            network = parser.get_parsed_content("network_def")
            network.load_state_dict(torch.load(weights, weights_only=True), strict=True)

    def test_logging_is_accepted(self, bundle):
        """MONAI 1.6 refuses a logging file that could run code."""
        root = logging.getLogger()
        level, handlers = root.level, root.handlers[:]
        try:
            ConfigWorkflow(_config(bundle, "common"))
            assert root.level == logging.WARNING
            assert [type(handler) for handler in root.handlers] == [logging.StreamHandler]
        finally:
            root.setLevel(level)
            root.handlers[:] = handlers

    @pytest.mark.parametrize(
        "stage, kind", [("train", "train"), ("train_classifier", "train"), ("train_dino", "train")]
    )
    def test_training_has_the_properties_of_the_specification(self, bundle, stage, kind, run_dir, offline):
        parser = ConfigParser()
        parser.read_config(_config(bundle, "common", "smoke"))
        save_weights(parser.get_parsed_content("network_def"), run_dir / "backbone" / "model.pt")  # the classifier's
        workflow = _workflow(bundle, stage, kind, run_dir)
        assert workflow.check_properties() == []
        assert workflow.max_epochs == 2

    @pytest.mark.parametrize("stage", ["score", "inference"])
    def test_inference_has_the_properties_of_the_specification(self, bundle, stage, run_dir, offline):
        parser = ConfigParser()
        parser.read_config(_config(bundle, "common", "smoke"))
        parser["bundle_root"], parser["run_dir"] = str(bundle), str(run_dir)
        save_weights(parser.get_parsed_content("network_def"), run_dir / "backbone" / "model.pt")
        save_weights(parser.get_parsed_content("classifier_def"), run_dir / "classifier" / "model.pt")
        workflow = _workflow(bundle, stage, "infer", run_dir)
        assert workflow.check_properties() == []
        assert len(workflow.dataset) == (12 if stage == "score" else 6)


def _workflow(bundle: Path, stage: str, kind: str, run_dir: Path) -> ConfigWorkflow:
    workflow = ConfigWorkflow(
        _config(bundle, "common", stage, "smoke"),
        logging_file=False,
        workflow_type=kind,
        bundle_root=str(bundle),
        run_dir=str(run_dir),
    )
    workflow.initialize()
    return workflow


class TestMovedAlone:
    """What the model zoo's tools and MONAI Label do with a bundle: they read ``configs/inference.json`` alone."""

    @pytest.fixture(scope="class")
    def moved(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("elsewhere")
        archive = shutil.make_archive(str(folder / "brain_mri"), "zip", BUNDLES[0])
        shutil.unpack_archive(archive, folder / "brain_mri")
        return folder / "brain_mri"

    def test_the_configuration_is_that_of_the_stage(self):
        made = runpy.run_path(str(ROOT / "scripts" / "inference_json"))["complete"]()
        written = json.loads((BUNDLES[0] / "configs" / "inference.json").read_text(encoding="utf-8"))
        assert written == made, "scripts/inference_json writes it anew"

    def test_it_samples(self, moved, monkeypatch, offline):
        monkeypatch.chdir(moved)
        few = {"target_classes": [5], "images_per_class": 2, "sampling_steps": 2}
        run(config_file="configs/inference.json", **few)
        samples = ImageStore.open("runs/inference/samples/guided")
        assert samples.table["target_class"].tolist() == [5, 5] and len(np.unique(samples.batch([0]))) > 50

    def test_the_weights_fit(self, moved, offline):
        load = functools.partial(monai.bundle.load, "brain_mri", bundle_dir=moved.parent, source="github", device="cpu")
        network = load(workflow_type="inference")
        weights = torch.load(moved / "models" / "model.pt", weights_only=True)
        found = network.state_dict()
        assert set(found) == set(weights) and all(torch.equal(found[name], weights[name]) for name in found)

    def test_the_command_can_give_timesteps(self, moved, offline):
        verify_net_in_out(
            "network_def",
            str(moved / "configs" / "metadata.json"),
            str(moved / "configs" / "inference.json"),
            device="cpu",
            extra_forward_args={"timesteps": [500]},
        )

    def test_it_is_traced_with_its_timesteps(self, moved):
        """What the documentation says in place of MONAI's ``ckpt_export``, which gives an image alone."""
        parser = ConfigParser()
        parser.read_config(str(moved / "configs" / "inference.json"))
        network = parser.get_parsed_content("network_def").eval()
        images, timesteps = torch.randn(2, 1, 48, 48), torch.tensor([10, 900])
        traced = torch.jit.trace(network, (images[:1], timesteps[:1]))
        assert torch.equal(traced(images, timesteps), network(images, timesteps))

    def test_no_file_is_large(self):
        """So that there is no ``large_files.yml``, which names what lies elsewhere: hosts of code take 25 MB a file."""
        sizes = [path.stat().st_size for bundle in BUNDLES for path in bundle.rglob("*") if path.is_file()]
        assert max(sizes) < 25e6 and sum(sizes) < 30e6


def test_tracking_fits_the_training_and_does_not_count_as_a_setting():
    """MONAI's experiment tracking, whose own settings are for trainers with a loss an image."""
    brain_mri = BUNDLES[0]
    parser = ConfigParser()
    parser.read_config(_config(brain_mri, "common", "train"))
    before = Configuration(parser).settings
    settings = ConfigParser.load_config_file(brain_mri / "configs" / "mlflow.json")
    ConfigWorkflow.patch_bundle_tracking(parser, settings)
    (handler,) = parser["train::trainer::train_handlers"]
    assert parser["validate::evaluator::val_handlers"][0]["_target_"] == handler["_target_"] == "MLFlowHandler"
    parser["shown"] = handler["output_transform"]
    assert parser.get_parsed_content("shown")({"loss": 0.5, "pred": None}) == 0.5
    assert parser["save_execute_config"] is None, "it would keep the names of folders"
    assert Configuration(parser).settings == before


@pytest.mark.parametrize("config", CONFIGS, ids=_name)
class TestConfig:
    def test_has_no_duplicate_key(self, config, monkeypatch):
        monkeypatch.setenv("MONAI_FAIL_ON_DUPLICATE_CONFIG", "1")
        assert ConfigParser.load_config_file(config)

    def test_has_no_number_that_is_text(self, config):
        """YAML reads 1e-4 as text; 1.0e-4 is a number."""
        found = dict(_walk(ConfigParser.load_config_file(config)))
        assert [f"{where}: {value!r}" for where, value in found.items() if _is_number_as_text(value)] == []

    def test_targets_exist_and_take_their_arguments(self, config):
        for where, block in _walk(ConfigParser.load_config_file(config)):
            if not isinstance(block, dict) or "_target_" not in block:
                continue
            name = block["_target_"]
            target = pydoc.locate(name)
            assert "." in name and callable(target), f"{where}: {name} is not found"
            given = {key: None for key in block if not (key.startswith("_") and key.endswith("_"))}
            try:
                inspect.signature(target).bind_partial(**given)
            except TypeError as error:
                pytest.fail(f"{where}: {name} {error}", pytrace=False)

    def test_imports_exist(self, config):
        for statement in ConfigParser.load_config_file(config).get("imports", []):
            exec(statement.removeprefix("$"), {})


def _unresolved(files: list[str]) -> set[tuple[str, str]]:
    """The references that lead nowhere, each with the setting that holds it."""
    parser = ConfigParser()
    parser.read_config(files)
    parser.parse()
    items = parser.ref_resolver.items
    return {
        (name, reference)
        for name, item in items.items()
        for reference in ReferenceResolver.find_refs_in_config(config=item.get_config(), id=name)
        if reference not in items
    }


@pytest.mark.parametrize("config", STAGES, ids=_name)
def test_references_resolve(config):
    assert _unresolved(_config(_bundle_of(config), "common", config.stem)) == set()


@pytest.mark.parametrize("config", OVERLAYS, ids=_name)
def test_references_of_overlays_resolve(config):
    """Each setting's in a stage at least: some are for one stage alone."""
    bundle = _bundle_of(config)
    left = {key.lstrip("+").split("::")[0] for key in ConfigParser.load_config_file(config)}
    for stage in Bundle(bundle).stages:
        left &= {name.split("::")[0] for name, _ in _unresolved([*_config(bundle, "common", stage), str(config)])}
        if not left:
            return
    pytest.fail(f"{left} refer to what no stage has", pytrace=False)


@pytest.mark.parametrize("config", OVERLAYS, ids=_name)
def test_overlay_changes_parts_of_the_pipeline(config):
    """One that set the whole of it would undo the parts that another, merged before it, has changed."""
    assert "pipeline" not in ConfigParser.load_config_file(config)


def test_overlays_put_the_pipeline_together():
    brain_mri = next(bundle for bundle in BUNDLES if bundle.name == "brain_mri")
    for overlays, start in (
        (["phantom"], ["phantom_cohort", "prepare", "score"]),
        (["phantom", "from_scratch"], ["phantom_cohort", "prepare", "train", "score"]),
        (["phantom", "latent"], ["phantom_cohort", "prepare", "train_autoencoder", "encode", "train", "score"]),
        (["latent", "dino"], ["prepare", "train_autoencoder", "encode", "train_dino", "train", "score"]),
    ):
        parser = ConfigParser()
        parser.read_config(_config(brain_mri, "common", *overlays))
        classifier = "train_classifier" + "+frozen_classifier" * ("phantom" in overlays)
        rest = ["cut", classifier, "inference", "memorization", "evaluate", "report"]
        assert parser.get_parsed_content("pipeline") == [*start, *rest]


def test_pixels_takes_the_blocks_away():
    brain_mri = next(bundle for bundle in BUNDLES if bundle.name == "brain_mri")
    parser = ConfigParser()
    parser.read_config(_config(brain_mri, "common", "train", "lgg_flair", "pixels"))
    network = parser.get_parsed_content("network_def").eval()
    assert sum(weights.numel() for weights in network.parameters()) == 8_382_145
    images, timesteps = torch.randn(2, 1, 64, 64), torch.tensor([0, 999])
    with torch.no_grad():
        network.network.out[2].conv.weight.normal_()  # it starts at 0
        assert network(images, timesteps).std() > 0.1
        torch.testing.assert_close(network(images, timesteps), network.network(images, timesteps), rtol=0, atol=0)


@pytest.mark.parametrize("config", OVERLAYS, ids=_name)
def test_overlay_can_lie_over_every_stage(config):
    files = [*_config(_bundle_of(config), "common"), config]
    parts = {key for key in ConfigParser.load_config_file(config) if "::" in key}
    merged = ConfigParser()
    merged.read_config(list(map(str, files)))  # a part of what one stage alone has cannot be merged into the others
    assert all(key in merged for key in parts)


@pytest.mark.parametrize("config", OVERLAYS, ids=_name)
def test_overlay_overrides_what_exists(config):
    known: set[str] = set()
    bundle = Bundle(_bundle_of(config))
    for other in (*bundle.common(), *bundle.layers([]), *bundle.stages.values()):
        known |= {where for where, _ in _walk(ConfigParser.load_config_file(other))}
    assert [key for key in ConfigParser.load_config_file(config) if key.lstrip("+") not in known] == []


@pytest.mark.parametrize("config", CONFIGS, ids=_name)
def test_it_is_no_program(config):
    """Settings and objects alone: no function is written here, and nothing depends on a place in a list."""
    found = dict(_walk(ConfigParser.load_config_file(config)))
    texts = {where: value for where, value in found.items() if isinstance(value, str)}
    assert [where for where, value in texts.items() if "lambda" in value] == []
    assert [where for where, value in texts.items() if re.search(r"@[\w:]*::\d", value)] == []
    content = ConfigParser.load_config_file(config)
    assert content.get("run", ["$@stage()"]) == ["$@stage()"]
    assert "finalize" not in content and ("initialize" not in content or config.stem == "common")


@pytest.mark.parametrize("stage", ["train", "train_classifier", "inference", "score", "evaluate"])
def test_the_order_of_lines_does_not_matter(stage):
    brain_mri = next(bundle for bundle in BUNDLES if bundle.name == "brain_mri")
    contents = [ConfigParser.load_config_file(file) for file in _config(brain_mri, "common", stage, "smoke")]
    parsers = []
    for turned in (False, True):
        parser = ConfigParser()
        for content in contents:
            items = list(content.items())
            for key, value in items[::-1] if turned else items:
                parser.set(value, key)
        parser["bundle_root"] = str(brain_mri)
        parsers.append(parser)
    assert parsers[0].config == parsers[1].config


def _is_number_as_text(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        float(value)
    except ValueError:
        return False
    return True


def test_the_checks_see_what_they_look_for(tmp_path, monkeypatch):
    """The guards above would be worth nothing if MONAI or YAML let these through."""
    config = tmp_path / "config.yaml"
    config.write_text("rate: '1e-4'\nbatch: 1e-4\nnested: [{lr: '3E5'}]\n")
    found = [where for where, value in _walk(ConfigParser.load_config_file(config)) if _is_number_as_text(value)]
    assert found == ["rate", "nested::0::lr"]
    config.write_text("rate: 1\nrate: 2\n")
    monkeypatch.setenv("MONAI_FAIL_ON_DUPLICATE_CONFIG", "1")
    with pytest.raises(ValueError, match="[Dd]uplicate"):
        ConfigParser.load_config_file(config)
