"""Skew measures against values worked by hand and against SciPy."""

import json

import numpy as np
import pytest
from partition_tables import table
from scipy.spatial.distance import jensenshannon

from fedlab.partition import Split, measure_skew, split_records
from fedlab.partition.skew import effective_number, gini, js_distance, total_variation


def test_measures_of_a_split_worked_by_hand():
    """Two organisations with counts (3, 1) and (1, 1): all numbers as on paper."""
    labels = [0, 0, 0, 1, 0, 1, 1, 0]
    assignment = np.array([0, 0, 0, 0, 1, 1, -1, -1])
    skew = measure_skew(Split(table(labels), assignment, "x", {}, 2, 0.25, 1, 0))
    # pool (4, 2) of 6; shares (3/4, 1/4) and (1/2, 1/2) against (2/3, 1/3)
    assert skew["tv"] == pytest.approx((4 * (3 / 4 - 2 / 3) + 2 * (2 / 3 - 1 / 2)) / 6)
    one, two = jensenshannon([3, 1], [2, 1], base=2), jensenshannon([1, 1], [2, 1], base=2)
    assert skew["js"] == pytest.approx((4 * one + 2 * two) / 6)
    assert skew["gini"] == pytest.approx(1 / 6)  # |4 - 2| * 2 / (2 * 4 * 3)
    assert skew["effective_organisations"] == pytest.approx(36 / 20)
    first, second = skew["per_organisation"]
    assert (first["organisation"], first["rows"], first["class_counts"]) == (1, 4, {"0": 3, "1": 1})
    assert (second["rows"], second["class_counts"]) == (2, {"0": 1, "1": 1})
    assert second["tv"] == pytest.approx(1 / 6) and second["js"] == pytest.approx(two)
    assert json.loads(json.dumps(skew)) == skew


def test_js_distance_worked_by_hand():
    """Certain against even: the divergence is 3/4 log2(4/3) … = 0.3113 bits, the distance its root."""
    divergence = (np.log2(4 / 3) + 0.5 * np.log2(2 / 3) + 0.5 * np.log2(2)) / 2
    assert js_distance(np.array([1.0, 0.0]), np.array([0.5, 0.5])) == pytest.approx(np.sqrt(divergence))
    assert divergence == pytest.approx(0.311278, abs=1e-6)


def test_js_distance_equals_scipy():
    """Random distributions, with zeros, give SciPy's value; equal ones give exactly 0, disjoint ones 1."""
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.full(5, 0.3), (2, 50))
    p[:, 2] = 0
    p /= p.sum(axis=1, keepdims=True)
    expected = [jensenshannon(one, two, base=2) for one, two in zip(p, q, strict=True)]
    assert js_distance(p, q) == pytest.approx(expected, abs=1e-7)
    assert js_distance(p, p).tolist() == [0.0] * 50
    assert js_distance(np.array([0.5, 0.5, 0]), np.array([0, 0, 1.0])) == 1.0
    assert total_variation(np.array([0.5, 0.5, 0]), np.array([0, 0, 1.0])) == 1.0


def test_imbalance_of_sizes_worked_by_hand_and_by_pairs():
    """Gini equals the mean absolute difference over all pairs by twice the mean; the extremes are right."""
    assert gini(np.array([5, 5, 5])) == 0
    assert gini(np.array([0, 0, 0, 8])) == pytest.approx(3 / 4)
    sizes = np.random.default_rng(1).integers(1, 100, 20)
    pairs = np.abs(sizes[:, None] - sizes[None, :]).mean() / (2 * sizes.mean())
    assert gini(sizes) == pytest.approx(pairs)
    assert effective_number(np.array([0, 0, 9])) == 1
    assert effective_number(np.array([3, 1])) == pytest.approx(1.6)


def test_skew_falls_with_alpha():
    """Measured label skew is 0 for stratified shards and falls as alpha grows."""
    records = table([0, 1] * 600)
    assert measure_skew(split_records(records, "stratified", 4, holdout=0))["js"] == pytest.approx(0, abs=1e-9)
    means = [
        np.mean(
            [measure_skew(split_records(records, "dirichlet", 4, seed=seed, alpha=alpha))["js"] for seed in range(8)]
        )
        for alpha in (0.05, 0.5, 5, 50)
    ]
    assert means == sorted(means, reverse=True)
    assert means[0] > 0.3 and means[-1] < 0.1
