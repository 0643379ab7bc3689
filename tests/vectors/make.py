"""Make the vectors of a format version, once: files that every later release has to decode alike.

They carry a codec of their own with random weights, so they outlive changes of the shipped weights.
    python -m tests.vectors.make v2
"""

import dataclasses
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from aecodec import container, imageio, pretrained, tables
from aecodec.codec import Codec
from aecodec.networks import CodecNetwork
from tests.conftest import TINY_CODEC, photo, randomise


def main(folder: Path) -> None:
    """Write weights, files, pixels and the manifest into a folder that does not exist yet."""
    folder.mkdir()
    torch.manual_seed(0)
    network = CodecNetwork(TINY_CODEC)
    randomise(network)
    tensors = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    for name, value in dataclasses.asdict(tables.build()).items():
        tensors[pretrained.TABLE_PREFIX + name] = torch.from_numpy(value)
    metadata = {"format": pretrained.FORMAT, "kind": "codec", "config": TINY_CODEC.to_dict()}
    save_file(tensors, folder / "codec.safetensors", {k: json.dumps(v) for k, v in metadata.items()})

    codec = Codec.load(weights=folder / "codec.safetensors")
    alpha = np.arange(48 * 40, dtype=np.uint8).reshape(48, 40)
    pictures = {
        "one-pixel": (photo(1, 1), 50.0),
        "odd": (photo(37, 91), 73.21),
        "gray-16-bit": (photo(64, 64, 1, np.uint16), 100.0),
        "alpha": (dataclasses.replace(photo(48, 40), alpha=alpha, xmp=b"<x/>"), 10.0),
        "two-tiles": (photo(20, 1100), 40.0),
    }
    manifest = {}
    for name, (picture, quality) in pictures.items():
        data = codec.encode(picture, quality)
        (folder / f"{name}.aec").write_bytes(data)
        decoded = codec.decode(data)
        (folder / f"{name}.png").write_bytes(imageio.write(dataclasses.replace(decoded, alpha=None), "PNG"))
        file = container.unpack(data)
        header = {**dataclasses.asdict(file.header), "model_id": file.header.model_id.hex()}
        y_hat = codec._decode_tiles(file).numpy()
        manifest[name] = {"header": header, "y_hat_sha256": hashlib.sha256(y_hat.tobytes()).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(__file__).parent / sys.argv[1])
