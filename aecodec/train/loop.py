"""The training loop: one for the codec and the denoiser, resumable at any moment."""

from __future__ import annotations

import csv
import io
import statistics
import time
from collections import deque
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from aecodec import pretrained
from aecodec.errors import OutputError, WeightsError
from aecodec.files import write_atomic
from aecodec.layers import compute_in_bfloat16, use_bfloat16
from aecodec.networks import CodecNetwork, DenoiserNetwork
from aecodec.train import losses, parallel
from aecodec.train.data import Batches, Pictures, held_out_patches
from aecodec.train.parallel import Team
from aecodec.train.start import start_from_pca

FAST_LR = 8.0  # gains and prior scales, relative to the rest: else low rates take hours to be reached
CLIP = 2.0  # gradients are clipped at this multiple of their running median norm
LOG_STEPS = 50
STALL_SECONDS = 10.0  # a longer step was a paused process, not training


def growth(sizes: int) -> tuple[float, ...]:
    """Shares of a run after which the next of so many patch sizes begins: 0.65, 0.9, 0.971 and so on.

    Small patches give several times the steps a minute, so most of the run is theirs.
    """
    return tuple(round(1 - 0.35 * (2 / 7) ** n, 3) for n in range(sizes - 1))


@dataclass(frozen=True)
class Settings:
    """How to train; stored in the checkpoint and with the weights.

    Attributes:
        kind: "codec" or "denoiser".
        minutes: Length of this run, cool-down included.
        batch: Patches a step, over all processes.
        patches: Sides of the patches in pixels, growing through the run.
        grow_at: Share of the run after which each of the later sizes begins.
        lr: Learning rate of Adam after warm-up.
        cooldown: Share of the run over which the learning rate falls linearly to nothing.
        ema: Decay per step of the averaged weights.
        seed: Of all random numbers.
        evaluate_minutes: Between two evaluations on the held-out pictures.
        processes: That share the batch.
        bfloat16: Compute the residual branches of the blocks, and the whole U-Net of the denoiser, in bfloat16; weights
            and evaluations stay float32.
    """

    kind: str
    minutes: float
    batch: int = 8
    patches: tuple[int, ...] = (128, 192, 256)
    grow_at: tuple[float, ...] = growth(3)
    lr: float = 1e-3
    cooldown: float = 0.4
    ema: float = 0.998
    seed: int = 0
    evaluate_minutes: float = 15.0
    processes: int = 1
    bfloat16: bool = False

    def lr_at(self, progress: float, step: int) -> float:
        """Learning rate at a share of the run; its first 100 steps warm up, as Adam's averages do."""
        warm = min(1.0, (step + 1) / 100)
        cool = min(1.0, (1 - progress) / self.cooldown) if self.cooldown else 1.0
        return self.lr * warm * max(cool, 0.01)

    def patch_at(self, progress: float) -> int:
        """Side of the patches at a share of the run."""
        return self.patches[min(sum(progress >= start for start in self.grow_at), len(self.patches) - 1)]


@dataclass
class State:
    """All that a run needs to go on where it stopped."""

    model: CodecNetwork | DenoiserNetwork
    ema: CodecNetwork | DenoiserNetwork
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0  # of training, over all runs

    def save(self, path: Path, settings: Settings, figures: dict[str, float]) -> None:
        """Write the checkpoint; the file appears whole or not at all."""
        content = {
            "settings": asdict(settings),
            "config": self.model.config.to_dict(),
            "figures": figures,
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "random": torch.get_rng_state(),
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        write_atomic(path, buffer.getvalue())

    def restore(self, content: dict[str, Any]) -> None:
        """Take over a checkpoint, or exported weights, which lack the optimizer and the random state."""
        self.model.load_state_dict(content["model"])
        self.ema.load_state_dict(content["ema"])
        self.step, self.seconds = content["step"], content["seconds"]
        if "optimizer" in content:
            self.optimizer.load_state_dict(content["optimizer"])
            torch.set_rng_state(content["random"])


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running code from it.

    Raises:
        WeightsError: The file is missing or no checkpoint.
    """
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: there is no such checkpoint") from error
    except Exception as error:  # torch.load raises many kinds of errors on damaged files
        raise WeightsError(f"{path}: is not a checkpoint of this program") from error
    parts: dict[str, type] = {
        "settings": dict,
        "config": dict,
        "figures": dict,
        "model": dict,
        "ema": dict,
        "optimizer": dict,
    }
    parts |= {"step": int, "seconds": float, "random": Tensor}
    if not isinstance(content, dict) or not all(isinstance(content.get(k), kind) for k, kind in parts.items()):
        raise WeightsError(f"{path}: is not a checkpoint of this program")
    return content


def read_weights(kind: str, path: Path) -> dict[str, Any]:
    """Read exported weights as the start of another run, for when their checkpoint is gone.

    Raises:
        WeightsError: The file is missing, damaged or for another network.
    """
    weights = pretrained.load(kind, path)
    recipe, parameters = weights.metadata["recipe"], weights.network.state_dict()
    return {
        "settings": {"kind": kind},
        "config": weights.metadata["config"],
        "model": parameters,
        "ema": parameters,
        "step": recipe["steps"],
        "seconds": 60 * recipe["total_minutes"],
    }


def train(
    data: Path, checkpoint: Path, settings: Settings, held_out: list[str], resume: Path | None = None
) -> dict[str, float]:
    """Train for some minutes and leave a checkpoint.

    Args:
        data: Folder of pictures.
        checkpoint: Written every few minutes and at the end; the log stands beside it as .csv.
        settings: How to train.
        held_out: Names of pictures that are only evaluated on.
        resume: Checkpoint to go on from: model, averages, optimizer, step and random state. Or a .safetensors file
            of exported weights: the optimizer starts anew.

    Returns:
        Figures of the averaged weights on the held-out pictures at the end.

    Raises:
        OutputError: The checkpoint exists and is not the one to go on from, or cannot be written.
        PictureError: There is nothing to train or evaluate on.
        WeightsError: `resume` is missing, damaged or of the other network.
    """
    return parallel.run(settings.processes, _train, (data, checkpoint, settings, held_out, resume))


def _train(
    team: Team, data: Path, checkpoint: Path, settings: Settings, held_out: list[str], resume: Path | None
) -> dict[str, float]:
    """Do what `train` says as one process of several; only the leader returns figures."""
    log_path = _log_path(checkpoint, resume) if team.leads else None
    torch.manual_seed(settings.seed + team.rank)
    batch_seed = settings.seed + 1000 * (resume is not None) + 100_000 * team.rank
    batches = Batches(Pictures(data, frozenset(held_out)), settings.batch // team.size, settings.patches[0], batch_seed)
    test_patches = held_out_patches(data, held_out, 256) if team.leads else None
    state = _start(settings, resume, iter(batches))
    team.align(state.model.parameters())
    if not team.leads:  # else a restored state of the generator would give all processes the same noise
        torch.manual_seed(settings.seed + team.rank + state.step)
    first_step = state.step
    if settings.kind == "codec":
        loss_of: Callable[..., tuple[Tensor, dict[str, float]]] = losses.codec_loss
        evaluate: Callable[..., dict[str, float]] = losses.evaluate_codec
    else:
        loss_of, evaluate = losses.denoiser_loss, losses.evaluate_denoiser
    log = Log(log_path, append=resume is not None) if log_path else None

    run_seconds, next_evaluation = 0.0, settings.evaluate_minutes * 60
    norms: deque[float] = deque(maxlen=100)
    recent: deque[dict[str, float]] = deque(maxlen=LOG_STEPS)
    total = settings.minutes * 60
    with tqdm(total=round(total), unit="s", desc=f"train {settings.kind}", smoothing=0, disable=not team.leads) as bar:
        stream, began = iter(batches), time.monotonic()
        while run_seconds < total:
            progress = run_seconds / total
            batches.size = settings.patch_at(progress)
            lr = settings.lr_at(progress, state.step - first_step)
            figures = _step(state, next(stream), loss_of, lr, settings, norms, team)
            recent.append(figures)
            now = time.monotonic()
            spent = torch.tensor(min(now - began, STALL_SECONDS))
            team.align([spent])  # all processes see one clock
            began = now
            run_seconds += spent.item()
            state.seconds += spent.item()
            if log is None:
                continue
            bar.update(min(round(run_seconds), bar.total) - bar.n)
            if state.step % LOG_STEPS == 0:
                means = {k: statistics.fmean(r[k] for r in recent) for k in figures}
                log.write("train", state, means)
                bar.set_postfix({k: f"{v:.3f}" for k, v in means.items()}, refresh=False)
            if run_seconds >= next_evaluation:
                next_evaluation += settings.evaluate_minutes * 60
                _pause(state, evaluate(state.ema, test_patches), checkpoint, settings, log)
                began = time.monotonic()
    if log is None:
        return {}
    final = evaluate(state.ema, test_patches)
    _pause(state, final, checkpoint, settings, log)
    return final


def _log_path(checkpoint: Path, resume: Path | None) -> Path:
    """Return where the log goes; refuse to write over the results of another run."""
    log_path = checkpoint.with_suffix(".csv")
    if checkpoint == log_path:
        raise OutputError(f"{checkpoint}: is the name of the log; give the checkpoint another suffix, such as .pt")
    goes_on = resume is not None and resume.resolve() == checkpoint.resolve()
    for path in (checkpoint, log_path):
        if path.exists() and not goes_on:
            raise OutputError(f"{path}: exists; continue it with --resume {checkpoint}, or choose another -o")
    return log_path


def _pause(state: State, figures: dict[str, float], checkpoint: Path, settings: Settings, log: Log) -> None:
    log.write("held-out", state, figures)
    state.save(checkpoint, settings, figures)


def _start(settings: Settings, resume: Path | None, batches: Any) -> State:
    content = None
    if resume:
        content = read_weights(settings.kind, resume) if resume.suffix == ".safetensors" else read_checkpoint(resume)
    if content and content["settings"]["kind"] != settings.kind:
        raise WeightsError(f"{resume}: is a checkpoint of the {content['settings']['kind']}; start without --resume")
    try:
        model = pretrained.build(settings.kind, content and content["config"])
    except TypeError as error:
        raise WeightsError(f"{resume}: is a checkpoint of another release; start without --resume") from error
    if isinstance(model, CodecNetwork) and resume is None:
        start_from_pca(model, torch.cat([next(batches) for _ in range(24)]))
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fast = [p for name, p in model.named_parameters() if name.endswith(("log2_gain", "log2_scale"))]
    slow = [p for name, p in model.named_parameters() if not name.endswith(("log2_gain", "log2_scale"))]
    groups = [{"params": slow, "factor": 1.0}] + ([{"params": fast, "factor": FAST_LR}] if fast else [])
    optimizer = torch.optim.Adam(groups, lr=settings.lr, betas=(0.9, 0.98), foreach=True)
    ema = deepcopy(model).requires_grad_(False)
    if settings.bfloat16:  # after the copy: the averaged model is evaluated in float32
        if isinstance(model, CodecNetwork):
            use_bfloat16(model)
        else:
            use_bfloat16(model.estimator)
            compute_in_bfloat16(model.unet)  # it predicts the noise, of which 8 bits are enough
    state = State(model, ema, optimizer)
    if content:
        try:
            state.restore(content)
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise WeightsError(f"{resume}: is damaged or of another release; start without --resume") from error
    return state


def _step(
    state: State,
    x: Tensor,
    loss_of: Callable[..., tuple[Tensor, dict[str, float]]],
    lr: float,
    settings: Settings,
    norms: deque[float],
    team: Team,
) -> dict[str, float]:
    for group in state.optimizer.param_groups:
        group["lr"] = lr * group["factor"]
    loss, figures = loss_of(state.model, x)
    state.optimizer.zero_grad()
    loss.backward()
    team.average(p.grad for p in state.model.parameters() if p.grad is not None)
    limit = CLIP * statistics.median(norms) if norms else float("inf")
    norm = nn.utils.clip_grad_norm_(state.model.parameters(), limit).item()
    if norm == norm and norm != float("inf"):  # a step with a broken gradient is left out
        norms.append(norm)
        state.optimizer.step()
    decay = min(settings.ema, (1 + state.step) / (10 + state.step))
    with torch.no_grad():
        torch._foreach_lerp_(list(state.ema.parameters()), list(state.model.parameters()), 1 - decay)
    state.step += 1
    return {"loss": loss.item(), "norm": norm, **figures}


class Log:
    """CSV beside the checkpoint: one row per entry, one column per figure: step, seconds, set, name, value."""

    def __init__(self, path: Path, append: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        if not append or not path.exists():
            path.write_text("step,seconds,set,figure,value\n")

    def write(self, kind: str, state: State, figures: dict[str, float]) -> None:
        """Append figures of "train" or "held-out"."""
        with self._path.open("a", newline="") as file:
            writer = csv.writer(file)
            for name, value in figures.items():
                writer.writerow([state.step, round(state.seconds), kind, name, f"{value:.5g}"])
