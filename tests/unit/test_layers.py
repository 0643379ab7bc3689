import torch

from aecodec.layers import Block, Bottleneck, Down, Up, lower_bound, round_straight_through


def test_a_new_block_is_the_identity() -> None:
    x = torch.randn(2, 6, 5, 7)
    assert torch.equal(Block(6)(x), x)
    assert torch.equal(Bottleneck(6)(x), x)


def test_a_bottleneck_without_biases_is_homogeneous() -> None:
    block = Bottleneck(6, bias=False)
    torch.nn.init.normal_(block.expand.weight)
    x = torch.randn(2, 6, 5, 7)
    torch.testing.assert_close(block(4 * x), 4 * block(x))


def test_down_and_up_halve_and_double() -> None:
    x = torch.randn(1, 4, 6, 8)
    assert Down(4, 5)(x).shape == (1, 5, 3, 4)
    assert Up(4, 5)(x).shape == (1, 5, 12, 16)


def test_lower_bound_lets_a_value_below_it_come_back_but_not_sink_further() -> None:
    for direction, expected in ((1.0, 0.0), (-1.0, -1.0)):
        x = torch.tensor([0.0], requires_grad=True)
        bounded = lower_bound(x, 0.5)
        assert bounded.item() == 0.5
        (direction * bounded).backward()
        assert x.grad is not None
        assert x.grad.item() == expected


def test_straight_through_rounding_rounds_and_passes_the_gradient() -> None:
    x = torch.tensor([0.4, 1.6], requires_grad=True)
    rounded = round_straight_through(x)
    assert rounded.tolist() == [0.0, 2.0]
    (rounded * torch.tensor([3.0, 5.0])).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3.0, 5.0]
