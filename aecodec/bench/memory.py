"""Peak memory of a codec, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from aecodec.errors import PictureError

_STATUS = Path("/proc/self/status")


def peak_megabytes(peer: str, path: Path, quality: float) -> float | None:
    """Measure the peak memory of a new process that reads, encodes and decodes one picture.

    Args:
        peer: Name of the codec, as in bench.peers.
        path: The picture.
        quality: To encode it with.

    Returns:
        The whole process in megabytes, Python and its libraries included; None where the system does not tell.

    Raises:
        PictureError: The process failed.
    """
    code = "import sys; from aecodec.bench.memory import child; child(sys.argv[1], sys.argv[2], float(sys.argv[3]))"
    command = [sys.executable, "-c", code, peer, str(path), str(quality)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        last = (result.stderr.strip().splitlines() or [f"exit code {result.returncode}"])[-1]
        raise PictureError(f"{path}: the memory of {peer} cannot be measured ({last[:200]}); leave it out with --peers")
    return float(result.stdout) if result.stdout.strip() else None


def child(peer: str, path: str, quality: float) -> None:
    """Encode and decode one picture and print the peak memory of this process in megabytes, or nothing."""
    from aecodec.bench import peers
    from aecodec.bench.sources import read

    pixels = read(Path(path))
    name, _, effort = peer.partition("-effort-")
    if name == peers.OURS:
        from aecodec.codec import Codec

        made = peers.ours(Codec.load(), int(effort) if effort else None)
    else:
        (made,), _ = peers.find([peer], [])
    made.decode(made.encode(pixels, quality))
    # Not getrusage: its maximum also counts what the process was before it started this program.
    if _STATUS.exists():
        lines = (line.split() for line in _STATUS.read_text().splitlines())
        (kilobytes,) = [int(words[1]) for words in lines if words[0] == "VmHWM:"]
        print(kilobytes * 1024 / 1e6)
