import math

import torch

from monai_minority.networks.adm.embeddings import timestep_embedding


def test_equals_cosines_then_sines_of_each_frequency():
    timesteps = torch.tensor([0.0, 0.25, 37.0, 999.0])
    embedding = timestep_embedding(timesteps, 8)
    for row, t in zip(embedding, timesteps.tolist(), strict=True):
        angles = [t * 10_000 ** (-i / 4) for i in range(4)]
        expected = torch.tensor([math.cos(a) for a in angles] + [math.sin(a) for a in angles])
        torch.testing.assert_close(row, expected, rtol=0, atol=5e-5)


def test_odd_length_ends_in_zero_and_integers_are_taken():
    embedding = timestep_embedding(torch.tensor([3, 5]), 7)
    assert torch.equal(embedding[:, -1], torch.zeros(2))
    torch.testing.assert_close(embedding[:, :6], timestep_embedding(torch.tensor([3.0, 5.0]), 6))
