"""The selection in groups against sorting everything."""

import pytest
import torch

from monai_minority.evaluation.density.nearest import smallest


@pytest.mark.parametrize("columns", [7, 48, 1000, 1013])
@pytest.mark.parametrize("ties", [False, True])
def test_selects_what_sorting_puts_first(columns, ties):
    block = torch.randn(40, columns, generator=torch.Generator().manual_seed(columns))
    if ties:
        block = block.round()
    values, places = smallest(block, 6)
    torch.testing.assert_close(values.sort(dim=1).values, block.sort(dim=1).values[:, :6], rtol=0, atol=0)
    torch.testing.assert_close(block.gather(1, places), values, rtol=0, atol=0)
    assert all(len(set(row)) == 6 for row in places.tolist())


def test_nearest_may_all_lie_in_one_group_or_in_the_rest():
    block = torch.ones(2, 1003)
    block[0, torch.arange(5, 1000, 83)[:6]] = 0  # 83 groups of 12 columns, of which these share one
    block[1, -6:] = 0  # beyond the groups and at the end of them
    values, places = smallest(block, 6)
    assert not values.any()
    assert sorted(places[0].tolist()) == torch.arange(5, 1000, 83)[:6].tolist()
    assert sorted(places[1].tolist()) == list(range(997, 1003))
