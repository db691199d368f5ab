import torch

from monai_minority.scoring.seeded_noise import seeded_noise


def test_an_image_has_its_own_stream():
    noise = seeded_noise([3, 17, 3], 2, (1, 3, 5))
    assert noise.shape == (2, 3, 1, 3, 5)
    assert torch.equal(noise[:, 0], noise[:, 2])
    assert torch.equal(noise[:, 1:2], seeded_noise(torch.tensor([17]), 2, (1, 3, 5)))
    assert not torch.equal(noise[0, 0], noise[1, 0])


def test_more_draws_continue_the_stream():
    for shape in [(1, 3, 5), (3, 8, 8)]:
        assert torch.equal(seeded_noise([4], 5, shape)[:2], seeded_noise([4], 2, shape))


def test_it_is_standard_normal_and_not_the_noise_of_the_bare_seed():
    noise = seeded_noise(range(64), 4, (1, 32, 32))
    assert abs(float(noise.mean())) < 0.01 and abs(float(noise.std()) - 1) < 0.01
    bare = torch.randn(1, 32, 32, generator=torch.Generator().manual_seed(0))
    assert abs(float((bare * noise[0, 0]).mean())) < 0.15
