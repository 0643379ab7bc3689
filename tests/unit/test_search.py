import math

import pytest

from aecodec.search import highest_below


@pytest.mark.parametrize("measure", [lambda n: n, lambda n: math.log(n + 1), lambda n: n**3, lambda n: math.sqrt(n)])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_the_figure_lies_just_below_the_limit(measure, share: float) -> None:
    top = 10_000
    limit = measure(0) + share * (measure(top) - measure(0))
    tolerance = 0.01 * limit
    taken = []
    found = highest_below(lambda n: taken.append(n) or measure(n), limit, tolerance, top)
    assert measure(found) <= limit
    assert limit - tolerance <= measure(found) or limit < measure(found + 1)
    assert len(taken) <= 2 + 2 * math.log2(top)
    if measure(2) == 2:
        assert len(taken) <= 4


def test_of_large_steps_the_last_below_the_limit_is_taken() -> None:
    assert highest_below(lambda n: n // 100, 5.5, 0.1, 1000) == 599


def test_limits_beyond_the_ends() -> None:
    assert highest_below(lambda n: n, -1, 0.1, 50) is None
    assert highest_below(lambda n: n, 99, 0.1, 50) == 50
