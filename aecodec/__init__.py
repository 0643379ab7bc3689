"""Compress and denoise photographs with a small convolutional autoencoder.

Example:
    from pathlib import Path
    from aecodec import imageio
    from aecodec.codec import Codec

    picture = imageio.read(Path("a.png").read_bytes(), "a.png")
    data = Codec.load().encode(picture, quality=50)
"""

__version__ = "0.1.0"
