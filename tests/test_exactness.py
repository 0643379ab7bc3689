"""A file decodes to the same symbols with any number of threads and any memory layout."""

from collections.abc import Iterator

import pytest
import torch

from aecodec import codec as codec_module
from aecodec import container, imageio, pretrained, tables
from aecodec.codec import Codec
from aecodec.networks import CodecNetwork
from tests.conftest import SAMPLES, photo

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
    """Encoders: the same y gives the same payload. Decoders: the same payload gives the same y_hat, bit for bit.

    y itself comes from a float network, so encoders may differ in a symbol; what each of them writes, all decode alike.
    """
    pictures = [photo(200, 264), imageio.read((SAMPLES / "sparrow.jpg").read_bytes(), "sparrow.jpg")]
    first = run(monkeypatch, 1, True)
    analysed = [first._analyse(picture) for picture in pictures]
    files = [first._write(picture, y, 7500) for picture, y in zip(pictures, analysed, strict=True)]
    latents = [first._decode_tiles(container.unpack(file)) for file in files]
    for threads, channels_last in SETTINGS:
        codec = run(monkeypatch, threads, channels_last)
        own = container.unpack(codec.encode(pictures[0], 75))
        assert torch.equal(codec._decode_tiles(own), first._decode_tiles(own)), (threads, channels_last)
        for picture, y, file, y_hat in zip(pictures, analysed, files, latents, strict=True):
            assert codec._write(picture, y, 7500) == file, (threads, channels_last)
            assert torch.equal(codec._decode_tiles(container.unpack(file)), y_hat), (threads, channels_last)
