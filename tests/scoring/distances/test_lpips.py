"""Equal to the `lpips` package under the same weights, wherever these come from."""

import lpips
import pytest
import torch

from monai_minority.scoring import LPIPS


@pytest.fixture(scope="module")
def state(fixtures_dir):
    return torch.load(fixtures_dir / "lpips_alex_random.pt", weights_only=True)["state_dict"]


@pytest.fixture(scope="module")
def package(state):
    network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def pair():
    generator = torch.Generator().manual_seed(5)
    return torch.rand(2, 4, 3, 32, 32, generator=generator) * 2 - 1


@pytest.fixture
def distance(fixtures_dir):
    return LPIPS("alex", fixtures_dir / "lpips_alex_random.pt")


def torchvision_trunk(package):
    """The package's trunk under the names of torchvision's file."""
    return {"features." + key.partition(".")[2]: tensor for key, tensor in package.net.state_dict().items()}


def test_values_and_gradients_equal_the_packages(distance, package, pair):
    ours, theirs = (pair[0].clone().requires_grad_() for _ in range(2))
    expected = package(theirs, pair[1]).flatten()
    found = distance(ours, pair[1])
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)
    found.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-4 * float(theirs.grad.abs().max()))


def test_grey_images_repeat_and_an_image_is_at_0_from_itself(distance, package, pair):
    grey, other = pair[0][:, :1], pair[1][:, :1]
    expected = package(grey.repeat(1, 3, 1, 1), other.repeat(1, 3, 1, 1)).flatten()
    torch.testing.assert_close(distance(grey, other), expected, rtol=1e-6, atol=1e-8)
    assert distance(grey, grey).tolist() == [0.0] * 4


def test_gradients_stay_finite_where_no_feature_is_active(distance):
    for slices in distance.network.net.children():
        for layer in slices.children():
            if isinstance(layer, torch.nn.Conv2d):
                layer.bias.fill_(-1e3)
    x = torch.zeros(1, 1, 32, 32, requires_grad=True)
    distance(x, torch.ones(1, 1, 32, 32)).sum().backward()
    assert x.grad.isfinite().all()


def test_a_torchvision_trunk_is_found_in_the_checkpoint_folder(pair, tmp_path, monkeypatch):
    package = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False).eval().requires_grad_(False)
    (tmp_path / "checkpoints").mkdir()
    torch.save(torchvision_trunk(package), tmp_path / "checkpoints" / "squeezenet1_1-b8a52dc0.pth")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    torch.testing.assert_close(LPIPS("squeeze")(*pair), package(*pair).flatten(), rtol=1e-6, atol=1e-8)


def test_the_learned_weights_are_the_packages_own_where_the_file_holds_a_trunk_alone(package, tmp_path):
    torch.save(torchvision_trunk(package), tmp_path / "trunk.pth")
    learned = torch.load(f"{lpips.__path__[0]}/weights/v0.1/alex.pth", weights_only=True, map_location="cpu")
    found = LPIPS("alex", tmp_path / "trunk.pth").network.lins
    for layer, weigh in enumerate(found):
        torch.testing.assert_close(weigh.model[1].weight, learned[f"lin{layer}.model.1.weight"], rtol=0, atol=0)


def test_missing_weights_say_what_to_get_and_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(FileNotFoundError) as error:
        LPIPS("vgg")
    for part in ("vgg16-397923af.pth", "https://download.pytorch.org/models/", str(tmp_path / "checkpoints")):
        assert part in str(error.value)


def test_wrong_input_is_named(tmp_path, fixtures_dir):
    with pytest.raises(ValueError, match="net must be one of"):
        LPIPS("resnet")
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other\.pth is neither a torchvision trunk"):
        LPIPS("alex", tmp_path / "other.pth")
    with pytest.raises(ValueError, match="neither a torchvision trunk for net='squeeze'"):
        LPIPS("squeeze", fixtures_dir / "lpips_alex_random.pt")


def test_it_moves_no_random_numbers_and_keeps_out_of_training_mode(fixtures_dir):
    before = torch.random.get_rng_state()
    distance = LPIPS("alex", fixtures_dir / "lpips_alex_random.pt").train()
    assert torch.equal(before, torch.random.get_rng_state())
    assert not any(module.training for module in distance.modules())
