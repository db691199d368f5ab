import numpy as np
import torch

from monai_minority.scoring import L1, L2, Correlation


def test_l1_is_the_mean_absolute_difference_of_each_image():
    x = torch.tensor([[1.0, 2.0], [0.0, -1.0]]).view(2, 1, 1, 2)
    y = torch.tensor([[0.0, 4.0], [0.0, -1.0]]).view(2, 1, 1, 2)
    assert L1()(x, y).tolist() == [1.5, 0.0]


def test_the_gradient_of_l1_is_the_sign_over_the_number_of_pixels():
    x = torch.tensor([1.0, -2.0]).view(1, 1, 1, 2).requires_grad_()
    L1()(x, torch.zeros_like(x)).sum().backward()
    assert x.grad.flatten().tolist() == [0.5, -0.5]


def test_l2_is_the_mean_squared_difference_of_each_image():
    x = torch.tensor([[1.0, 2.0], [0.0, -1.0]]).view(2, 2, 1, 1)
    y = torch.tensor([[0.0, 4.0], [0.0, -1.0]]).view(2, 2, 1, 1)
    assert L2()(x, y).tolist() == [2.5, 0.0]


def test_the_gradient_of_l2_is_twice_the_difference_over_the_number_of_pixels():
    x = torch.tensor([1.0, -2.0]).view(1, 1, 1, 2).requires_grad_()
    L2()(x, torch.zeros_like(x)).sum().backward()
    assert x.grad.flatten().tolist() == [1.0, -2.0]


def test_correlation_is_one_minus_that_of_numpy_image_by_image():
    x, y = torch.randn(2, 3, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    expected = [1 - np.corrcoef(a.flatten(), b.flatten())[0, 1] for a, b in zip(x, y, strict=True)]
    assert np.allclose(Correlation()(x, y), expected, atol=1e-6)


def test_correlation_sees_neither_brightness_nor_contrast_and_has_a_value_for_flat_images():
    x = torch.randn(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    assert abs(Correlation()(x, 0.3 * x - 0.5).item()) < 1e-6
    assert Correlation()(x, torch.full_like(x, 0.7)).item() == 1
