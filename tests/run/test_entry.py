"""``python -m monai.bundle run`` refuses settings without a place, in one line; a short training has a schedule."""

import errno
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser, run

from monai_minority.files import whole_file
from monai_minority.run.entry import DEBUG, cause

CONFIGS = Path(__file__).parents[2] / "bundles" / "brain_mri" / "configs"


def arguments(tmp_path, **options):
    """Of the stage cut, which fails in an empty run folder."""
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(options.pop("overlay", ""))
    files = [CONFIGS / "common.yaml", CONFIGS / "cut.yaml", *([overlay] if overlay.stat().st_size else [])]
    return {
        "config_file": list(map(str, files)),
        "bundle_root": str(CONFIGS.parent),
        "run_dir": str(tmp_path),
        **options,
    }


def test_the_program_tells_a_mistyped_option_in_a_line(tmp_path):
    options = [part for key, value in arguments(tmp_path, numclasses=3).items() for part in (f"--{key}", str(value))]
    command = [sys.executable, "-m", "monai.bundle", "run", *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    message = "\nError: setting numclasses is in no configuration of the bundle; did you mean num_classes"
    assert message in result.stderr and "Traceback" not in result.stderr
    assert f"({DEBUG}=1 shows where)" in result.stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"overlay": "my_shift: 2\nimage_size: $16 + @my_shift\nimage_sise: 3\n"}, "setting image_sise is in no"),
        ({"overlay": "my_shift: 2\nimage_size: $16 + @my_shift\n"}, "is not an image store"),
        ({"num_classes": 3}, "is not an image store"),
    ],
)
def test_a_setting_needs_a_place(tmp_path, given, message):
    with pytest.raises(RuntimeError) as raised:  # of MONAI, around the cause
        run(**arguments(tmp_path, **given))
    assert message in cause(raised.value)


def test_the_cause_is_what_was_raised_outside_of_monai():
    """An error of the product around one of a library says more than that one, such as how to mend it."""

    def fail(name):
        try:
            raise pickle.UnpicklingError("use weights_only=False")
        except pickle.UnpicklingError as error:
            raise KeyError(f"{name} holds Python objects") from error

    parser = ConfigParser({"weights": "$@fail('model.pt')", "fail": fail})
    with pytest.raises(RuntimeError, match="Failed to evaluate") as raised:
        parser.get_parsed_content("weights")
    assert cause(raised.value) == "model.pt holds Python objects"


@pytest.mark.parametrize(
    "error, told",
    [
        (PermissionError(errno.EACCES, "Permission denied", "run/a"), "run/a must be a file or folder that this user"),
        (OSError(errno.EROFS, "Read-only file system", "run/a"), "or give another run_dir (Read-only file system)"),
        (FileExistsError(errno.EEXIST, "File exists", "run/a"), "run/a must be a folder; move away what is there"),
        (OSError(errno.ENOSPC, "the disk is full: run/a was not written"), "the disk is full: run/a was not written"),
        (FileNotFoundError("run/a is missing; run train"), "run/a is missing; run train"),
        (OSError(errno.ELOOP, "Too many links", "run/a"), "[Errno 40] Too many links: 'run/a'"),
    ],
)
def test_errors_of_the_system_say_what_is_wrong_with_which_path(error, told):
    assert told in cause(error)


def test_a_file_that_cannot_be_written_is_told_by_its_own_name(tmp_path):
    with pytest.raises(PermissionError) as raised, whole_file(tmp_path / "a.csv") as partial:
        raise PermissionError(errno.EACCES, "Permission denied", str(partial))
    assert cause(raised.value).startswith(f"{tmp_path / 'a.csv'} must be a file or folder that this user can read")


@pytest.mark.parametrize("name", ["train", "train_classifier", "train_autoencoder"])
@pytest.mark.parametrize("steps", [1, 2, 3, 19, 20, 21, 40, 20_000])
def test_a_training_of_any_length_has_a_schedule(name, steps):
    """Twenty steps were an error of a division by zero, their warm-up being one step long."""
    given = ConfigParser.load_config_file(CONFIGS / f"{name}.yaml")["lr_scheduler"]
    weight = torch.nn.Parameter(torch.zeros(1))
    trainer = {"max_epochs": 1, "epoch_length": steps}
    config = {"lr_scheduler": {**given, "optimizer": torch.optim.SGD([weight], 0.1), "max_lr": 0.1}}
    schedule = ConfigParser({**config, "train": {"trainer": trainer}}).get_parsed_content("lr_scheduler")
    rates = []
    for _ in range(steps):
        rates += schedule.get_last_lr()
        schedule.optimizer.step()
        schedule.step() if len(rates) < steps else None
    assert all(0 < rate <= 0.1 for rate in rates)
    if steps > 20:
        warm = round(0.05 * steps)
        assert rates[-1] < 1e-4 and max(rates) == pytest.approx(0.1, rel=0.6 if warm < 2 else 0.05)
