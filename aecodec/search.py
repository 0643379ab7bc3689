"""Search for the quality at which a file has a wanted size or fidelity."""

from __future__ import annotations

from collections.abc import Callable


def highest_below(measure: Callable[[int], float], limit: float, tolerance: float, top: int) -> int | None:
    """Find a number at which a growing figure lies just below a limit.

    Takes four to six measurements where the figure is nearly linear, and 2 + 2 log2(top) at most.

    Args:
        measure: The figure at a number in 0..top.
        limit: Not to be exceeded.
        tolerance: How far below the limit the figure may stay.
        top: Highest number.

    Returns:
        A number whose figure is within the tolerance, or the last one before the figure exceeds the limit where it
        grows in larger steps; `top` where even its figure is lower; None where the figure at 0 is too high.
    """
    low, high = 0, top
    at_low = measure(low)
    if at_low > limit:
        return None
    at_high = measure(high)
    if at_high <= limit:
        return top
    step = 0
    while high - low > 1 and at_low < limit - tolerance:
        # Every other step halves the range, so that a curve that is far from a line does no harm.
        share = 0.5 if step % 2 else (limit - tolerance / 2 - at_low) / (at_high - at_low)
        middle = low + min(max(round((high - low) * share), 1), high - low - 1)
        value = measure(middle)
        if value <= limit:
            low, at_low = middle, value
        else:
            high, at_high = middle, value
        step += 1
    return low
