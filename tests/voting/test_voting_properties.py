"""Properties of every rule, and every rule against a reckoning in exact fractions, one record at a time."""

from fractions import Fraction
from itertools import pairwise
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlab.voting import TIES, Ballots, vote

RULES = [
    ("majority", {}),
    ("any", {}),
    ("unanimous", {}),
    ("soft", {}),
    ("median", {}),
    ("weighted", {"by": "size"}),
    ("weighted", {"by": "accuracy"}),
    ("weighted", {"by": "size", "of": "probabilities"}),
    ("weighted", {"by": "accuracy", "of": "probabilities"}),
]
every_rule = pytest.mark.parametrize(("rule", "options"), RULES, ids=lambda value: str(value))
few = settings(max_examples=40, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)


class Exact:
    """Random small ballots in fractions: tenths and few of them, so that ties are common."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.m, self.n, self.k = (int(rng.integers(1, top)) for top in (8, 12, 5))
        self.labels = rng.integers(-1 if rng.random() < 0.5 else 0, self.k, (self.m, self.n))
        self.probabilities = [[self._row(rng, label) for label in row] for row in self.labels]
        self.sizes = [int(one) for one in rng.integers(0, 4, self.m)]
        self.sizes[int(rng.integers(self.m))] += 1
        self.accuracies = [Fraction(int(one), 10) for one in rng.integers(1, 11, self.m)]
        self.positive = int(rng.integers(self.k))

    def _row(self, rng, label):
        if label < 0:
            return [Fraction(0)] * self.k
        parts = np.bincount(rng.integers(0, self.k, 10), minlength=self.k)
        return [Fraction(int(part), 10) for part in parts]

    @property
    def ballots(self):
        """The same in floating point."""
        return Ballots(
            self.labels,
            np.array(self.probabilities, dtype=float),
            np.arange(self.k) * 10,
            [f"org {number}" for number in range(self.m)],
            np.array(self.sizes, dtype=float),
            np.array(self.accuracies, dtype=float),
        )

    def support(self, rule, options, record):
        """Reckon the support that decides on one record, its unit, and whether anybody answered."""
        who = [model for model in range(self.m) if self.labels[model, record] >= 0]
        said = {model: int(self.labels[model, record]) for model in who}
        classes = range(self.k)
        held = self.sizes if options.get("by") == "size" else self.accuracies
        weights = held if rule == "weighted" else [1] * self.m
        if rule == "median":
            middle = [
                median([self.probabilities[model][record][k] for model in who]) if who else Fraction(0) for k in classes
            ]
            return middle, sum(middle), bool(who)
        total = sum(weights[model] for model in who)
        if rule == "soft" or options.get("of") == "probabilities":
            support = [sum(weights[model] * self.probabilities[model][record][k] for model in who) for k in classes]
            return support, total, total > 0
        support = [sum(weights[model] for model in who if said[model] == k) for k in classes]
        positive_votes = support[self.positive]
        if (rule == "any" and positive_votes >= 1) or (rule == "unanimous" and positive_votes == total):
            support = [positive_votes if k == self.positive else 0 for k in classes]
        elif rule in ("any", "unanimous"):
            support[self.positive] = 0
        return support, total, total > 0

    def verdict(self, rule, options, tie, record):
        """Reckon label, margin, and whether a tie was decided by the order of the classes."""
        support, total, answered = self.support(rule, options, record)
        if not answered:
            return -1, 0, False, False
        best = max(support)
        leaders = [k for k in range(self.k) if support[k] == best]
        if len(leaders) == 1:
            rest = max((support[k] for k in range(self.k) if k != leaders[0]), default=0)
            return leaders[0], Fraction(best - rest) / total, False, False
        if tie == "abstain":
            return -1, 0, True, False
        if tie == "positive" and self.positive in leaders:
            return self.positive, 0, True, False
        if tie == "probability":
            means = {k: sum(row[record][k] for row in self.probabilities) for k in leaders}
            leaders = [k for k in leaders if means[k] == max(means.values())]
        return leaders[0], 0, True, len(leaders) > 1


def everything(verdict):
    """Return all arrays of a verdict, to be compared bit by bit."""
    return (verdict.labels, verdict.scores, verdict.margins, verdict.tied, verdict.abstained)


@every_rule
@pytest.mark.parametrize("tie", sorted(TIES))
@given(seed=seeds)
@few
def test_equal_to_exact_fractions(rule, options, tie, seed):
    """Label, tie, abstention and margin equal a reckoning without rounding."""
    exact = Exact(seed)
    verdict = vote(exact.ballots, rule, tie=tie, positive=exact.positive * 10, **options)
    for record in range(exact.n):
        label, margin, tied, _ = exact.verdict(rule, options, tie, record)
        assert verdict.labels[record] == label
        assert verdict.tied[record] == tied
        assert verdict.abstained[record] == (label == -1)
        assert verdict.margins[record] == pytest.approx(float(margin), abs=1e-12)


@every_rule
@given(seed=seeds)
@few
def test_anonymity(rule, options, seed):
    """Which organisation is asked first changes nothing."""
    exact = Exact(seed)
    order = np.random.default_rng(seed).permutation(exact.m)
    first = vote(exact.ballots, rule, **options)
    second = vote(exact.ballots.take_models(order), rule, **options)
    assert first.labels.tolist() == second.labels.tolist()
    assert first.tied.tolist() == second.tied.tolist()
    assert np.allclose(first.scores, second.scores, rtol=0, atol=1e-14)


@every_rule
@given(seed=seeds)
@few
def test_a_record_stands_alone(rule, options, seed):
    """Records in another order, or in several batches, get the same verdict to the last bit."""
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.ones(3), (9, 20))  # broken numbers, whose sums depend on the order of addition
    ballots = Ballots(
        rows.argmax(axis=2), rows, [0, 1, 2], [str(n) for n in range(9)], rng.random(9) + 0.1, rng.random(9)
    )
    whole = everything(vote(ballots, rule, **options))
    order = rng.permutation(20)
    for full, part in zip(whole, everything(vote(ballots.take_records(order), rule, **options)), strict=True):
        assert np.array_equal(full[order], part)
    cuts = [0, 1, int(rng.integers(2, 18)), 20]
    pieces = [everything(vote(ballots.take_records(slice(low, high)), rule, **options)) for low, high in pairwise(cuts)]
    for full, parts in zip(whole, zip(*pieces, strict=True), strict=True):
        assert np.array_equal(full, np.concatenate(parts))


@every_rule
@pytest.mark.parametrize("tie", ["abstain", "probability"])
@given(seed=seeds)
@few
def test_neutrality(rule, options, tie, seed):
    """Classes by other names get the same verdict by the other name, unless only their order decided."""
    exact = Exact(seed)
    ballots = exact.ballots
    new = np.random.default_rng(seed).permutation(exact.k)  # class k becomes class new[k]
    renamed = Ballots(
        np.append(new, -1)[ballots.labels],
        ballots.probabilities[:, :, np.argsort(new)],
        ballots.classes,
        ballots.organisations,
        ballots.sizes,
        ballots.accuracies,
    )
    first = vote(ballots, rule, tie=tie, positive=exact.positive * 10, **options)
    second = vote(renamed, rule, tie=tie, positive=int(new[exact.positive]) * 10, **options)
    by_order = np.array([exact.verdict(rule, options, tie, record)[3] for record in range(exact.n)])
    assert (np.append(new, -1)[first.labels] == second.labels)[~by_order].all()
    assert np.allclose(first.scores, second.scores[:, new], rtol=0, atol=1e-14)


@every_rule
@given(seed=seeds)
@few
def test_doubling_all_organisations_changes_nothing(rule, options, seed):
    """Every organisation twice: the same labels, ties and scores."""
    ballots = Exact(seed).ballots
    first = vote(ballots, rule, **options)
    second = vote(ballots.take_models(np.tile(np.arange(ballots.n_models), 2)), rule, **options)
    assert first.labels.tolist() == second.labels.tolist()
    assert first.tied.tolist() == second.tied.tolist()
    assert np.allclose(first.scores, second.scores, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("plain", "of"), [("majority", "labels"), ("soft", "probabilities")])
@given(seed=seeds)
@few
def test_an_organisation_twice_has_weight_two(plain, of, seed):
    """A vote with one organisation repeated equals the weighted vote with weight 2 for it."""
    exact = Exact(seed)
    twice = seed % exact.m
    repeated = exact.ballots.take_models([*range(exact.m), twice])
    exact.sizes = [2 if model == twice else 1 for model in range(exact.m)]
    first, second = vote(repeated, plain, tie="lowest"), vote(exact.ballots, "weighted", of=of, tie="lowest")
    assert first.labels.tolist() == second.labels.tolist()
    assert np.allclose(first.scores, second.scores, rtol=0, atol=1e-14)


@every_rule
@given(seed=seeds)
@few
def test_margins_and_scores_are_shares(rule, options, seed):
    """Margins are from 0 to 1, 0 exactly where tied or abstained; scores sum to one or are all zero."""
    verdict = vote(Exact(seed).ballots, rule, **options)
    assert ((verdict.margins >= 0) & (verdict.margins <= 1 + 1e-12)).all()
    assert ((verdict.margins == 0) == (verdict.tied | verdict.abstained)).all()
    sums = verdict.scores.sum(axis=1)
    assert np.allclose(sums[sums > 0], 1)
    assert (verdict.scores >= 0).all()
    if rule != "median":
        assert ((sums == 0) == verdict.abstained).all()


@pytest.mark.parametrize(("rule", "options"), [RULES[0], RULES[5], RULES[6]], ids=str)
@given(seed=seeds)
@few
def test_monotonicity(rule, options, seed):
    """A model that changes its mind in favour of the verdict does not unseat it."""
    exact = Exact(seed)
    first = vote(exact.ballots, rule, tie="lowest", **options)
    changed = exact.labels.copy()
    model = seed % exact.m
    changed[model] = np.where(first.abstained, changed[model], first.labels)
    ballots = Ballots(
        changed,
        None,
        exact.ballots.classes,
        exact.ballots.organisations,
        exact.sizes,
        exact.ballots.accuracies,
    )
    assert vote(ballots, rule, tie="lowest", **options).labels.tolist() == first.labels.tolist()
