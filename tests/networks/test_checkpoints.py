"""Checkpoint files: read, refused, saved, and started from; a new table of labels changes nothing at first."""

import argparse
import copy
import datetime
import zipfile

import numpy as np
import pytest
import torch
from monai.networks.nets import DiffusionModelUNet
from safetensors.torch import save_file
from torch import nn

from monai_minority.networks import (
    ADMUNet,
    SpaceToDepth,
    load_checkpoint,
    read_state_dict,
    save_weights,
    start_weights,
)


@pytest.fixture
def net(awake):
    return awake(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)))


def same(state_dict, expected):
    return state_dict.keys() == expected.keys() and all(torch.equal(state_dict[k], expected[k]) for k in expected)


def prefixed(state_dict, prefix):
    return {prefix + name: tensor for name, tensor in state_dict.items()}


def test_saved_weights_have_the_same_bytes_wherever_they_lie(net, tmp_path):
    for name in ("a", "b"):
        save_weights(net, tmp_path / name / f"{name}.pt")
    assert (tmp_path / "a/a.pt").read_bytes() == (tmp_path / "b/b.pt").read_bytes()
    names = zipfile.ZipFile(tmp_path / "a/a.pt").namelist()
    assert {name.split("/")[0] for name in names} == {"archive"}, "and not the name of a temporary file, or of the path"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda sd: sd,
        lambda sd: {"ema": sd, "model": {k: v + 1 for k, v in sd.items()}, "step": 7},
        lambda sd: {"state_dict": sd, "epoch": 3},
        lambda sd: {"model": sd},
        lambda sd: prefixed(sd, "module."),
        lambda sd: {"state_dict": prefixed(sd, "module._orig_mod.")},
        lambda sd: prefixed(sd, "module.") | {"n_averaged": torch.tensor(5)},
    ],
    ids=["plain", "ema", "state_dict", "model", "ddp", "compiled", "averaged"],
)
def test_every_wrapping_gives_the_same_weights(net, tmp_path, wrap):
    path = tmp_path / "model.pt"
    torch.save(wrap(net.state_dict()), path)
    assert same(read_state_dict(path), net.state_dict())


def test_a_named_entry_overrides_the_choice(net, tmp_path):
    path = tmp_path / "model.pth"
    raw = {k: v + 1 for k, v in net.state_dict().items()}
    torch.save({"ema": net.state_dict(), "model": raw}, path)
    assert same(read_state_dict(path, key="model"), raw)
    with pytest.raises(ValueError, match=r"key must be one of the entries of .*\(ema, model\), got 'net'"):
        read_state_dict(path, key="net")


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_safetensors_are_known_by_content(net, tmp_path, suffix):
    path = tmp_path / f"model.{suffix}"
    save_file(net.state_dict(), path)
    assert same(read_state_dict(str(path)), net.state_dict())


def test_load_checkpoint_fills_the_module(net, tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"ema": net.state_dict()}, path)
    other = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    assert load_checkpoint(other, path) is other
    assert same(other.state_dict(), net.state_dict())


def test_mismatches_are_all_named(tmp_path):
    path = tmp_path / "wrong.pt"
    torch.save(nn.Sequential(*(nn.Linear(3, 3) for _ in range(6))).state_dict(), path)
    target = nn.ModuleDict({"0": nn.Linear(3, 5), "head": nn.Linear(2, 2)})
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    with pytest.raises(ValueError) as error:
        load_checkpoint(target, path)
    text = str(error.value)
    assert str(path) in text
    assert "does not fit ModuleDict, which has 4 entries" in text
    assert "2 missing (head.weight, head.bias)" in text
    assert "10 unexpected (1.weight, 1.bias, 2.weight, 2.bias, 3.weight, and 5 more)" in text
    assert "2 of another shape (0.weight [3, 3] for [5, 3], 0.bias [3] for [5])" in text
    assert same(target.state_dict(), before)


def test_missing_file_is_named(tmp_path, small):
    path = tmp_path / "absent.pt"
    for read in (read_state_dict, lambda p: ADMUNet.from_guided_diffusion(p, image_size=64)):
        with pytest.raises(
            FileNotFoundError, match=r"absent\.pt does not exist; .* run the stage that trains it first"
        ):
            read(path)
    with pytest.raises(ValueError, match="is a folder"):
        read_state_dict(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>404</html>", r"is a web page \(the download failed\)"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is a Git LFS pointer"),
        (b"\x1f\x8b\x08\x00rest", "is a gzip archive"),
        (b"just some words that are no weights", "is of a kind that neither torch.save nor"),
    ],
)
def test_wrong_files_say_what_they_are(tmp_path, content, message):
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"model\.pt {message}.*expected a state dict"):
        read_state_dict(path)


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_numpy_zip_and_torchscript_files_say_what_they_are(tmp_path, net):
    np.save(tmp_path / "a.npy", np.zeros(3))
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    torch.jit.trace(net, torch.zeros(1, 3)).save(tmp_path / "a.pt")
    for name, what in {
        "a.npy": "a NumPy array",
        "a.npz": "a zip archive",
        "a.pt": "a TorchScript program",
    }.items():
        with pytest.raises(ValueError, match=f"is {what}"):
            read_state_dict(tmp_path / name)


def test_code_in_a_file_is_never_run(tmp_path, net):
    path = tmp_path / "model.pt"
    torch.save({"model": net.state_dict(), "when": datetime.timedelta(1)}, path)
    with pytest.raises(ValueError, match="holds Python objects.*could execute code"):
        read_state_dict(path)


def test_numpy_numbers_beside_the_weights_are_read_and_other_objects_named(tmp_path, net):
    path = tmp_path / "model.pt"
    beside = {"best_metric": np.float64(0.7), "losses": np.arange(3.0), "step": np.int64(3), "names": np.array(["a"])}
    torch.save({"state_dict": net.state_dict(), **beside}, path)
    assert same(read_state_dict(path), net.state_dict())
    torch.save({"state_dict": net.state_dict(), "arguments": argparse.Namespace(lr=1)}, path)
    with pytest.raises(ValueError, match=r"holds Python objects \(argparse.Namespace\)") as caught:
        read_state_dict(path)
    assert "\033" not in str(caught.value) and "options" not in str(caught.value)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda sd: {"state_dict": prefixed(sd, "model."), "epoch": 3, "hyper_parameters": {"lr": 1e-4}},
        lambda sd: {"state_dict": prefixed(sd, "module.net.")},
        lambda sd: prefixed(sd, "model.") | {"loss.weight": torch.zeros(3)},
        lambda sd: prefixed({k: v + 1 for k, v in sd.items()}, "model.") | prefixed(sd, "ema_model.module."),
        lambda sd: {"ema": {"shadow": sd, "decay": 0.9}, "model": {k: v + 1 for k, v in sd.items()}},
        lambda sd: {"model": {"state_dict": prefixed(sd, "diffusion.")}},
    ],
    ids=["lightning", "two prefixes", "beside another", "an average", "an average inside", "nested"],
)
def test_the_network_of_a_training_program_is_found(net, tmp_path, wrap):
    path = tmp_path / "last.ckpt"
    torch.save(wrap(net.state_dict()), path)
    filled = load_checkpoint(copy.deepcopy(net).apply(_cleared), path)
    assert same(filled.state_dict(), net.state_dict())


def test_two_networks_that_fit_are_named(net, tmp_path):
    path = tmp_path / "gan.pt"
    torch.save(prefixed(net.state_dict(), "first.") | prefixed(net.state_dict(), "second."), path)
    with pytest.raises(ValueError, match="with the prefixes first., second.; save the one that is meant alone"):
        load_checkpoint(net, path)


def _cleared(module):
    for parameter in module.parameters(recurse=False):
        torch.nn.init.zeros_(parameter)


def test_a_truncated_file_is_refused(tmp_path, net):
    for name, save in {"a.pt": torch.save, "a.safetensors": save_file}.items():
        path = tmp_path / name
        save(net.state_dict(), path)
        path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(ValueError, match=f"{name} .*expected a state dict"):
            read_state_dict(path)


def test_files_without_weights_say_what_they_hold(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"epoch": 3, "rate": 0.1}, path)
    with pytest.raises(ValueError, match="is no state dict but has the entries epoch, rate"):
        read_state_dict(path)
    torch.save(torch.zeros(3), path)
    with pytest.raises(ValueError, match="holds a Tensor"):
        read_state_dict(path)


def test_a_file_builds_the_network(tmp_path, small, awake, guided_diffusion_flags):
    original = awake(ADMUNet(**small))
    x, t = torch.randn(2, 1, 16, 16), torch.tensor([4, 400])
    for name, save in {"ema.pt": torch.save, "ema.safetensors": save_file}.items():
        save(original.state_dict(), tmp_path / name)
        network = ADMUNet.from_guided_diffusion(tmp_path / name, **guided_diffusion_flags(small))
        with torch.no_grad():
            assert torch.equal(network(x, t), original(x, t))


def monai_unet(labels, width=8):
    return SpaceToDepth(
        DiffusionModelUNet(
            spatial_dims=2,
            in_channels=4,
            out_channels=4,
            channels=[width, 2 * width],
            attention_levels=[False, False],
            num_res_blocks=1,
            norm_num_groups=4,
            num_class_embeds=labels,
        )
    )


def adm(labels):
    return ADMUNet(
        image_size=8, in_channels=1, model_channels=32, out_channels=1, num_res_blocks=1, channel_mult=(1,),
        attention_resolutions=(), num_classes=labels,
    )  # fmt: skip


@pytest.mark.parametrize("build", [monai_unet, adm])
def test_a_conditional_network_starts_as_the_unconditional_one(build, tmp_path):
    plain = build(None).eval()
    torch.manual_seed(1)
    for parameter in plain.parameters():  # the last layers start at zero, and would hide any difference
        torch.nn.init.normal_(parameter, std=0.2)
    save_weights(plain, tmp_path / "model.pt")
    conditional = start_weights(build(3), tmp_path / "model.pt").eval()
    x, t = torch.randn(3, 1, 8, 8), torch.tensor([5, 500, 900])
    with torch.no_grad():
        expected = plain(x, t)
        torch.testing.assert_close(conditional(x, t, class_labels=torch.tensor([0, 1, 2])), expected)
    assert expected.abs().max() > 0.01


def test_weights_that_fit_are_taken_whole_and_others_refused(tmp_path):
    trained = monai_unet(2)
    save_weights(trained, tmp_path / "model.pt")
    started = start_weights(monai_unet(2), tmp_path / "model.pt")
    assert all(torch.equal(started.state_dict()[name], value) for name, value in trained.state_dict().items())
    with pytest.raises(ValueError, match="of another shape"):
        start_weights(monai_unet(2, width=4), tmp_path / "model.pt")
    with pytest.raises(ValueError, match="1 unexpected"):
        start_weights(monai_unet(None), tmp_path / "model.pt")
    network = monai_unet(2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert start_weights(network, None) is network
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
