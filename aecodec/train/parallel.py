"""Data-parallel training on one machine: a process per share of the cores, gradients averaged at every step.

Two processes of one thread each took steps 1.2 to 1.6 times as fast as one process of two threads: small convolutions
leave threads waiting for each other.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from typing import Any

import torch
from torch import Tensor

CHUNK = 2**21  # float32 values that are exchanged at once
PATIENCE_SECONDS = 1800.0  # longer than any evaluation, for which the others wait: then the leader is gone


@dataclass(frozen=True)
class Team:
    """The processes of one run, as one of them sees it.

    Attributes:
        size: Number of processes.
        rank: Of this process. Rank 0 leads: it alone evaluates, logs and saves.
    """

    size: int = 1
    rank: int = 0
    _shared: Tensor | None = None  # [size, CHUNK] float32, a row for each process
    _barrier: Barrier | None = None

    @property
    def leads(self) -> bool:
        """Whether this process evaluates, logs and saves."""
        return self.rank == 0

    @torch.no_grad()
    def align(self, tensors: Iterable[Tensor]) -> None:
        """Give all processes the tensors of the leader."""
        self._exchange(list(tensors), lambda rows: rows[0])

    @torch.no_grad()
    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by their means over the processes, which are equal to the last bit in all of them."""
        self._exchange(list(tensors), lambda rows: rows.mean(0))

    def _exchange(self, tensors: list[Tensor], combine: Callable[[Tensor], Tensor]) -> None:
        if self._shared is None or self._barrier is None:
            return
        flat = torch.cat([t.reshape(-1) for t in tensors])
        for part in flat.split(self._shared.shape[1]):
            rows = self._shared[:, : len(part)]
            rows[self.rank] = part
            self._barrier.wait(PATIENCE_SECONDS)
            part.copy_(combine(rows))
            self._barrier.wait(PATIENCE_SECONDS)  # nobody writes before all have read
        for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view(tensor.shape))


def run(size: int, work: Callable[..., dict[str, float]], arguments: Sequence[Any]) -> dict[str, float]:
    """Run `work(team, *arguments)` in several processes, this one being the leader; return what it returns.

    Args:
        size: Number of processes. They share the threads that torch has been given.
        work: A function of a module, so that the others can import it.
        arguments: Pickled for the others.
    """
    if size == 1:
        return work(Team(), *arguments)
    threads = torch.get_num_threads()
    context = multiprocessing.get_context("spawn")
    shared, barrier = torch.zeros(size, CHUNK).share_memory_(), context.Barrier(size)
    share = max(1, threads // size)
    others = [
        context.Process(target=_follow, args=(Team(size, n, shared, barrier), share, work, arguments), daemon=True)
        for n in range(1, size)
    ]
    torch.set_num_threads(share)
    try:
        for process in others:
            process.start()
        return work(Team(size, 0, shared, barrier), *arguments)
    finally:
        torch.set_num_threads(threads)
        barrier.abort()  # whoever still waits for this process ends
        for process in others:
            process.join()


def _follow(team: Team, threads: int, work: Callable[..., dict[str, float]], arguments: Sequence[Any]) -> None:
    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the leader, who ends this process
    try:
        work(team, *arguments)
    except Exception:
        # What is wrong with the data or the disk, the leader meets and tells too.
        if team._barrier is not None:
            team._barrier.abort()
