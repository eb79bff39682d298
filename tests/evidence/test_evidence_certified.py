"""Certified accuracy as columns of the results table, against brute force and the certificates themselves."""

import json
from itertools import combinations, product

import numpy as np
import pytest

from fedlab.evidence import CERTIFIED_COLUMNS, ROW_COLUMNS, certified_columns, evaluate_vote
from fedlab.voting import RULES, Ballots, certified_accuracy, collective_certificate, vote


def _ballots(seed=0, n_models=5, n_records=40):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n_records)
    positive = np.clip(rng.normal(0.3 + 0.4 * truth, 0.3, (n_models, n_records)), 0, 1)
    rows = np.stack([1 - positive, positive], axis=2)
    names = [f"org {number}" for number in range(n_models)]
    sizes, counts = np.arange(1, n_models + 1), np.full((n_models, 2), 3)
    ballots = Ballots(rows.argmax(axis=2), rows, ["ill", "well"], names, sizes, np.full(n_models, 0.8), counts)
    return ballots, np.array(["ill", "well"])[truth]


def test_majority_equals_brute_force():
    """The lists are what remains right when every set of r organisations gives every answer, each row or all alike."""
    ballots, truth = _ballots()
    found = certified_columns(ballots, truth, "majority", tie="lowest")
    alone, together = (json.loads(found[f"{name}certified_accuracy"]) for name in ("", "collective_"))
    for r, share in enumerate([*alone, 0.0]):
        every, worst = np.ones(len(truth), dtype=bool), 1.0
        for hostile in combinations(range(5), r):
            stands = np.ones(len(truth), dtype=bool)
            for answers in product([-1, 0, 1], repeat=r):
                labels = ballots.labels.copy()
                labels[list(hostile)] = np.array(answers)[:, None] if r else labels[[]]
                said = vote(Ballots(labels, None, ballots.classes, ballots.organisations), tie="lowest")
                stands &= ~said.abstained & (said.classes[said.labels] == truth)
            every &= stands
            worst = min(worst, stands.mean())
        assert share == pytest.approx(every.mean())
        assert r >= len(together) or together[r] == pytest.approx(worst)
    assert found["certified_accuracy_1"] == alone[1]
    assert found["collective_certified_accuracy_1"] == together[1] > alone[1]
    assert found["certified_radius_mean"] == pytest.approx(sum(alone[1:]))


@pytest.mark.parametrize("rule", list(RULES))
def test_every_rule_has_its_columns_or_none(rule):
    """Without a certificate nothing is written; with one the first share is the accuracy and none rises."""
    ballots, truth = _ballots(seed=3)
    known = (ballots, truth)
    kind = RULES.get(rule).certificate
    found = certified_columns(ballots, truth, rule, validation=known)
    assert set(found) <= set(CERTIFIED_COLUMNS)
    if kind == "none":
        assert found == {}
        return
    shares = json.loads(found["certified_accuracy"])
    verdict = vote(ballots, rule, validation=known)
    assert shares[0] == pytest.approx(np.mean(~verdict.abstained & (verdict.classes[verdict.labels] == truth)))
    assert shares == sorted(shares, reverse=True)
    assert kind != "zero" or (shares[1:], found["certified_radius_mean"]) == ([], 0.0)
    assert ("collective_certified_accuracy" in found) == (kind == "additive")


def test_same_as_the_voting_room():
    """The lists are those of certified_accuracy and collective_certificate."""
    ballots, truth = _ballots(seed=5, n_models=7)
    found = certified_columns(ballots, truth, "soft")
    table = certified_accuracy(ballots, truth, "soft", r=range(5), collective=True)
    alone, together = (json.loads(found[f"{name}certified_accuracy"]) for name in ("", "collective_"))
    assert alone == pytest.approx(table["certified_accuracy"][: len(alone)])
    assert together == pytest.approx(table["collective_accuracy"][: len(together)])
    right = vote(ballots, "soft").values == truth
    assert together[1] * len(truth) == collective_certificate(ballots, 1, "soft", among=right).survivors


def test_declared_weights_are_taken_at_their_worst():
    """By size, which anybody may declare, one organisation is enough; by accuracy a hostile one declares 1."""
    ballots, truth = _ballots()
    assert certified_columns(ballots, truth, "weighted", by="size")["certified_accuracy_1"] == 0
    worst = certified_columns(ballots, truth, "weighted", by="accuracy")
    trusted = certified_columns(ballots, truth, "weighted", by="accuracy", declared="trust")
    assert 0 < worst["certified_radius_mean"] <= trusted["certified_radius_mean"]


def test_columns_stand_in_the_row():
    """evaluate_vote takes them over under their names, and leaves them empty where it is not given any."""
    ballots, truth = _ballots()
    found = certified_columns(ballots, truth)
    row = evaluate_vote(ballots, vote(ballots), truth, n_resamples=10, certified=found)
    assert tuple(row) == ROW_COLUMNS
    assert {name: row[name] for name in CERTIFIED_COLUMNS} == found
    bare = evaluate_vote(ballots, vote(ballots), truth, n_resamples=10)
    assert all(bare[name] is None for name in CERTIFIED_COLUMNS)


def test_enumeration_ends_where_it_would_take_long(monkeypatch):
    """Past the limit the collective list ends, and the other columns stay as they are."""
    ballots, truth = _ballots()
    whole = certified_columns(ballots, truth)
    monkeypatch.setattr("fedlab.evidence.certified._OPERATIONS", 0)
    short = certified_columns(ballots, truth)
    assert len(json.loads(short["collective_certified_accuracy"])) < len(
        json.loads(whole["collective_certified_accuracy"])
    )
    assert short["certified_accuracy"] == whole["certified_accuracy"]
