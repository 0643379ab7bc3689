"""Outcomes -> words for people, JSON for programs, and the number of failures."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from aecodec.batch import STREAM, Outcome, Plan


def report(plan: Plan, outcomes: Iterable[Outcome], *, as_json: bool, quiet: bool) -> int:
    """Tell what becomes of each job as it happens.

    Words go to stderr, under a progress bar if that is a terminal and there are several jobs. JSON replaces
    all words but failures; it goes to stdout, or to stderr, then alone, if pictures go to stdout.

    Args:
        plan: What the outcomes belong to.
        outcomes: From `batch.run`; consumed one by one.
        as_json: Print one JSON object a line.
        quiet: Of words, print failures only.

    Returns:
        The number of failures.
    """
    json_to_stderr = any(job.target is None for job in plan.jobs)
    talks = not (as_json or quiet)
    several = len(plan.jobs) != 1 or plan.ignored > 0 or len(plan.unreadable) > 0
    bar: Any = None
    if several and talks and sys.stderr is not None and sys.stderr.isatty():
        from tqdm import tqdm

        total = len(plan.jobs) + len(plan.unreadable)
        outcomes = bar = tqdm(outcomes, total=total, unit="file", leave=False, file=sys.stderr)
    counts = Counter[str]()
    for outcome in outcomes:
        failed = outcome.status == "failed"
        counts[outcome.status] += 1
        if as_json:
            click.echo(json.dumps(_facts(outcome)), err=json_to_stderr)
        if talks or (failed and not (as_json and json_to_stderr)):
            line = _line(outcome)
            bar.write(line, file=sys.stderr) if bar is not None else click.echo(line, err=True)
    if several and talks:
        shown = [f"{counts[s]} {s}" for s in ("done", "skipped", "failed") if counts[s] or s == "done"]
        others = [f"{plan.ignored} other file{'s' * (plan.ignored != 1)} ignored"] if plan.ignored else []
        click.echo(", ".join(shown + others), err=True)
    return counts["failed"]


@contextmanager
def step_bar(name: str, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """Give a function that shows on a terminal how many steps of how many are done for one file.

    Args:
        name: Of the file.
        shown: False shows nothing anywhere.
    """
    bar: Any = None

    def progress(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            from tqdm import tqdm

            bar = tqdm(total=total, desc=name, unit="step", leave=False, file=sys.stderr)
        if done < bar.n:  # another attempt
            bar.reset(total)
        bar.update(done - bar.n)

    try:
        yield progress if shown and sys.stderr is not None and sys.stderr.isatty() else lambda done, total: None
    finally:
        if bar is not None:
            bar.close()


def _line(outcome: Outcome) -> str:
    job = outcome.job
    if outcome.status != "failed":
        return f"{job.source_name} -> {job.target_name}  {outcome.note}"
    return outcome.trace + outcome.note if os.environ.get("AECODEC_DEBUG") else outcome.note


def _facts(outcome: Outcome) -> dict[str, Any]:
    job = outcome.job
    source = STREAM if job.source is None else str(job.source)
    if outcome.status == "failed":
        return {"input": source, "status": outcome.status, "error": outcome.note}
    target = STREAM if job.target is None else str(job.target)
    return {"input": source, "output": target, "status": outcome.status, **outcome.facts}
