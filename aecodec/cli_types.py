"""Kinds of values that options take."""

from __future__ import annotations

import math
import re
from typing import Any

import click


class Finite(click.FloatRange):
    """A number within a range that is neither NaN nor infinite."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or fail with one line."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class Bytes(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on
    """A file size: a whole number of bytes, or a number with k or M for thousands and millions of them."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of bytes, or fail with one line."""
        found = re.fullmatch(r"(\d+|\d*\.\d+(?=[kKM]))([kKM]?)B?", str(value))
        size = round(float(found[1]) * {"": 1, "k": 1e3, "K": 1e3, "M": 1e6}[found[2]]) if found else 0
        if size <= 0:
            self.fail(f"{value} is no file size, such as 9500, 200k or 1.5M.", param, ctx)
        return size
