import numpy as np
import pytest
import torch

from aecodec import imageio, pretrained, tables
from aecodec.codec import Codec
from aecodec.entropy import ExactEntropyModel, _IntegerBlock, _interpolate
from aecodec.errors import WeightsError
from aecodec.imageio import Picture
from aecodec.layers import Block
from aecodec.networks import CodecNetwork
from aecodec.pixels import to_tensor
from aecodec.train.losses import run_codec
from tests.conftest import SAMPLES, TINY_CODEC, randomise


def int64_block(block: Block, x: np.ndarray) -> np.ndarray:
    """The integer block in int64 arithmetic, where nothing can be rounded by accident."""

    def shift(total: np.ndarray) -> np.ndarray:
        return ((total + (1 << 13)) >> 14).clip(-(2**22), 2**22)

    def grid(parameter: torch.Tensor | None, bits: int) -> np.ndarray:
        assert parameter is not None
        return np.floor(parameter.double().numpy() * 2.0**bits + 0.5).astype(np.int64)

    around = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    height, width = x.shape[1:]
    kernel = grid(block.spatial.weight, 14)[:, 0]
    total = np.zeros_like(x) + grid(block.spatial.bias, 24)[:, None, None]
    for i in range(3):
        for j in range(3):
            total += around[:, i : i + height, j : j + width] * kernel[:, i, j][:, None, None]
    hidden = shift(total)
    for layer in (block.expand, block.reduce):
        product = np.einsum("oc,chw->ohw", grid(layer.weight, 14)[:, :, 0, 0], hidden)
        hidden = shift(product + grid(layer.bias, 24)[:, None, None])
        if layer is block.expand:
            hidden = np.where(hidden < 0, (hidden + 4) >> 3, hidden)
    return (x + hidden).clip(-(2**22), 2**22)


@pytest.mark.parametrize("magnitude", [100, 2**22])
def test_the_integer_block_equals_int64_arithmetic(magnitude: int) -> None:
    block = Block(24)
    randomise(block, std=0.5)
    x = np.random.default_rng(0).integers(-magnitude, magnitude, (24, 9, 7))
    result = _IntegerBlock(block)(torch.from_numpy(x).double())
    assert np.array_equal(result.numpy().astype(np.int64), int64_block(block, x))


def test_the_power_table_is_2_to_the_x_to_20_bits(tiny_network: CodecNetwork) -> None:
    model = ExactEntropyModel(tiny_network, tables.build())
    log2 = torch.arange(-12 * 1024, 12 * 1024, 7).double()
    torch.testing.assert_close(model._power(log2), 2.0 ** (log2 / 1024), rtol=2**-20, atol=0)


def test_quality_interpolates_in_integers_and_meets_the_anchors() -> None:
    anchors = torch.tensor([[-100.0], [0.0], [7.0]], dtype=torch.float64)
    values = [_interpolate(anchors, q).item() for q in (0, 2500, 5000, 7500, 10000)]
    assert values == [-100.0, -50.0, 0.0, 4.0, 7.0]


def test_a_weight_that_would_break_the_bound_is_refused() -> None:
    network = CodecNetwork(TINY_CODEC)
    network.context[1].head.weight.data[0] = 17
    with pytest.raises(WeightsError, match="too large"):
        ExactEntropyModel(network, tables.build())


def test_the_integer_path_gives_the_float_model_s_picture_and_rate() -> None:
    """The shipped weights, rounded: at most 1 % away from the float model in rate and in error."""
    weights = pretrained.load("codec")
    network = weights.network
    assert isinstance(network, CodecNetwork) and weights.tables is not None
    codec = Codec(network, weights.tables, weights.model_id)
    picture = Picture(imageio.read((SAMPLES / "tower.jpg").read_bytes(), "tower").pixels[256:512, 64:384].copy())
    x = to_tensor(picture.pixels)[None]
    for quality in (20, 80):
        with torch.inference_mode():
            out = run_codec(network, x, torch.tensor([quality / 100]), noise=False)
        data = codec.encode(picture, quality, effort=0)  # the float model rounds to the nearest, too
        payload_bits = 8 * (len(data) - 29)
        estimated_bits = (out.y_bits + out.z_bits).item()
        assert abs(payload_bits - estimated_bits) <= 0.01 * estimated_bits + 64
        errors = [
            (p.clamp(0, 1) - x[0]).square().mean().item() for p in (to_tensor(codec.decode(data).pixels), out.x_hat[0])
        ]
        assert errors[0] == pytest.approx(errors[1], rel=0.01)
