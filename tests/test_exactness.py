"""A file decodes to the same symbols with any number of threads and any memory layout."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from aecodec import codec as codec_module
from aecodec import container, pretrained, tables
from aecodec.codec import Codec
from aecodec.networks import CodecNetwork
from tests.conftest import photo

SETTINGS = [(threads, channels_last) for threads in (1, 2, 4) for channels_last in (True, False)]


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def run(monkeypatch: pytest.MonkeyPatch, threads: int, channels_last: bool) -> Codec:
    """The shipped codec, with its networks and activations in one of the two layouts."""
    torch.set_num_threads(threads)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    monkeypatch.setattr(codec_module.tiling, "channels_last", lambda x: x.contiguous(memory_format=layout))
    network = pretrained.load("codec").network
    assert isinstance(network, CodecNetwork)
    network.to(memory_format=layout)
    return Codec(network, tables.build(), b"same")


@pytest.mark.usefixtures("threads")
def test_threads_and_layouts_give_the_same_symbols(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoders: the same y gives the same payload. Decoders: the same payload gives the same y_hat, bit for bit."""
    picture = photo(200, 264)
    reference = run(monkeypatch, 1, True).encode(picture, 75)
    latents = []
    for threads, channels_last in SETTINGS:
        codec = run(monkeypatch, threads, channels_last)
        assert codec.encode(picture, 75) == reference, (threads, channels_last)
        latents.append(codec._decode_tiles(container.unpack(reference)).numpy())
    for y_hat in latents[1:]:
        assert np.array_equal(y_hat, latents[0])
