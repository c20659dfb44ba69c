"""Chance: counted against brute force, pinned for ever, and even."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_examples import calm, longest_run

from rig.plan.draw import arrange, arrangements, draw, light_blocks, run_at_end, shuffled


@pytest.mark.parametrize("max_run", [1, 2, 3])
@pytest.mark.parametrize(("dark", "lights"), [(0, 2), (3, 0), (3, 3), (4, 3), (2, 5), (1, 4)])
def test_arrangements_are_all_and_only_the_allowed_ones(dark: int, lights: int, max_run: int) -> None:
    orders = [list(o) for o in product([False, True], repeat=dark + lights) if sum(o) == lights]
    for room in range(max_run + 1):
        before = [True] * (max_run - room)
        allowed = [order for order in orders if longest_run(before + order) <= max_run]
        assert arrangements(dark, lights, room, max_run) == len(allowed)
        made = [arrange(rank, dark, lights, room, max_run) for rank in range(len(allowed))]
        assert made == allowed  # product counts upwards, and so does the rank


def test_every_arrangement_of_a_block_is_equally_likely() -> None:
    n = 3000
    counts = Counter(tuple(light_blocks(seed, 6, 2, 6, 1)) for seed in range(n))
    assert len(counts) == arrangements(4, 2, 1, 1) == 10
    expected = n / len(counts)
    chi2 = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi2 < 27.9  # the 99.9 % point of chi-squared with 9 degrees of freedom


def test_a_seed_means_the_same_for_ever() -> None:
    """Changing any of these changes plans that animals are already on."""
    assert draw(7, "M01") % 10**12 == 141226626265
    assert shuffled(["M01", "M02", "M03", "M04", "M05"], 7) == ["M03", "M04", "M05", "M02", "M01"]
    assert (
        "".join(str(int(light)) for light in light_blocks(7, 40, 5, 20, 3))
        == "0101000000100100100000100100000000010101"
    )


def test_run_at_end() -> None:
    assert [run_at_end(flags) for flags in ([], [True], [True, False], [False, True, True])] == [
        0, 1, 0, 2,
    ]  # fmt: skip


@given(st.integers(0, 2**48), st.integers(1, 24), st.integers(1, 6), st.data(), st.integers(0, 200))
@calm
def test_blocks_are_exact_and_runs_short_whatever_is_asked(
    seed: int, block: int, max_run: int, data: st.DataObject, n: int
) -> None:
    lights = data.draw(st.integers(0, block * max_run // (max_run + 1)))
    flags = light_blocks(seed, n, lights, block, max_run)
    assert len(flags) == n
    assert longest_run(flags) <= max_run
    for start in range(0, n - block + 1, block):
        assert sum(flags[start : start + block]) == lights
