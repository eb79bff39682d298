"""Properties of every rule of the library, and their explicit outcomes on ballots at the edge."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlab.voting import RULES, Ballots, Validation, vote

LIBRARY = [
    ("absolute_majority", {}),
    ("supermajority", {}),
    ("supermajority", {"share": 0.5, "of": "all"}),
    ("quorum", {}),
    ("t_of_n", {"t": 1}),
    ("weighted", {"by": "positives"}),
    ("weighted", {"by": "minority", "of": "probabilities"}),
    ("weighted", {"by": "validation"}),
    ("log_odds", {}),
    ("log_odds", {"by": "validation"}),
    ("naive_bayes", {}),
    ("naive_bayes", {"prior": "uniform"}),
    ("bks", {}),
    ("bks", {"fallback": "naive_bayes"}),
    ("dawid_skene", {"rounds": 3}),
    ("one_coin", {"rounds": 3}),
    ("log_pool", {}),
    ("log_pool", {"by": "size"}),
    ("prior_corrected", {}),
    ("prior_corrected", {"target": "uniform", "by": "accuracy"}),
    ("product", {}),
    ("maximum", {}),
    ("minimum", {}),
    ("trimmed_mean", {}),
    ("borda", {}),
    ("instant_run_off", {}),
    ("run_off", {}),
    ("stacking", {"of": "probabilities", "C": 0.1}),
    ("greedy_selection", {"rounds": 4}),
    ("knora_e", {"k": 3}),
    ("knora_u", {"k": 3, "space": "ballots"}),
]
every_rule = pytest.mark.parametrize(("rule", "options"), LIBRARY, ids=str)
few = settings(max_examples=8, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)


def case(seed, n_records=12, n_known=15):
    """Make ballots with gaps and exact ties, validation rows by the same models, and features for both."""
    rng = np.random.default_rng(seed)
    n_models, n_classes = int(rng.integers(1, 6)), int(rng.integers(2, 5))

    def cast(n):
        labels = rng.integers(0, n_classes, (n_models, n))
        rows = rng.multinomial(8, np.full(n_classes, 1 / n_classes), labels.shape) / 8
        labels[rng.random(labels.shape) < 0.2] = -1
        return labels, rows

    names = [f"org {number}" for number in range(n_models)]
    beside = (
        rng.integers(1, 5, n_models),
        rng.integers(3, 8, n_models) / 8,
        # Row totals all different, so that no two classes are equally rare.
        rng.integers(1, 4, (n_models, n_classes)) * 100 + np.arange(n_classes),
    )
    ballots = Ballots(*cast(n_records), np.arange(n_classes), names, *beside)
    labels, rows = cast(n_known)
    truth = rng.integers(0, n_classes, n_known)
    truth[:n_classes] = np.arange(n_classes)  # every class occurs,
    labels[:, 0] = truth[0]  # and every model is right on some row
    rows[:, 0] = np.eye(n_classes)[truth[0]]
    known = Ballots(labels, rows, np.arange(n_classes), names, *beside)
    return ballots, Validation(known, truth, rng.normal(size=(n_known, 2))), rng.normal(size=(n_records, 2))


def everything(verdict):
    """Return all arrays of a verdict."""
    return (verdict.labels, verdict.scores, verdict.margins, verdict.tied, verdict.abstained)


def test_the_list_is_whole():
    """Every rule is in this list, in that of the first rules, or needs crowd-kit."""
    first = {"majority", "any", "unanimous", "soft", "median", "weighted"}
    assert {rule for rule, _ in LIBRARY} | first | {"glad", "mace"} == set(RULES)


@every_rule
@given(seed=seeds)
@few
def test_anonymity(rule, options, seed):
    """Which organisation is asked first changes nothing but the last digits."""
    ballots, known, X = case(seed)
    order = np.random.default_rng(seed).permutation(ballots.n_models)
    first = vote(ballots, rule, validation=known, X=X, tie="abstain", **options)
    again = Validation(known.ballots.take_models(order), known.truth, known.X)
    second = vote(ballots.take_models(order), rule, validation=again, X=X, tie="abstain", **options)
    loose = 1e-4 if rule == "stacking" else 1e-9  # a solver stops near the optimum, not at it
    assert np.allclose(first.scores, second.scores, rtol=0, atol=loose)
    clear = (first.margins > 2 * loose) | first.tied if rule == "stacking" else np.ones(len(X), dtype=bool)
    assert (first.labels == second.labels)[clear].all()


@every_rule
@given(seed=seeds)
@few
def test_a_record_stands_alone(rule, options, seed):
    """Records in several batches get the same verdict to the last bit; rules that learn from the batch say so."""
    ballots, known, X = case(seed)
    whole = vote(ballots, rule, validation=known, X=X, **options)
    order = np.random.default_rng(seed).permutation(len(X))
    moved = vote(ballots.take_records(order), rule, validation=known, X=X[order], **options)
    if RULES.get(rule).batch:
        assert np.allclose(whole.scores[order], moved.scores)
        return
    cuts = [0, 1, 1 + seed % 10, 12]
    pieces = [
        everything(vote(ballots.take_records(slice(a, b)), rule, validation=known, X=X[a:b], **options))
        for a, b in pairwise(cuts)
    ]
    for full, parts in zip(everything(whole), zip(*pieces, strict=True), strict=True):
        assert np.array_equal(full, np.concatenate(parts))
    for full, part in zip(everything(whole), everything(moved), strict=True):
        assert np.array_equal(full[order], part)


@pytest.mark.parametrize(("rule", "options"), [one for one in LIBRARY if one[0] != "run_off"], ids=str)
@given(seed=seeds)
@few
def test_neutrality(rule, options, seed):
    """Classes by other names get the verdict by its other name. (A run-off's first round prefers the lower class.)"""
    ballots, known, X = case(seed)
    new = np.random.default_rng(seed).permutation(ballots.n_classes)  # class k becomes class new[k]
    positive = ballots.n_classes - 1

    def renamed(one):
        labels = np.append(new, -1)[one.labels]
        rows = one.probabilities[:, :, np.argsort(new)]
        counts = one.class_counts[:, np.argsort(new)]
        return Ballots(labels, rows, one.classes, one.organisations, one.sizes, one.accuracies, counts)

    first = vote(ballots, rule, validation=known, X=X, tie="abstain", positive=positive, **options)
    again = Validation(renamed(known.ballots), new[known.truth], known.X)
    second = vote(renamed(ballots), rule, validation=again, X=X, tie="abstain", positive=int(new[positive]), **options)
    loose = 1e-3 if rule == "stacking" else 1e-9
    assert np.allclose(first.scores, second.scores[:, new], rtol=0, atol=loose)
    clear = first.margins > 2 * loose
    assert (np.append(new, -1)[first.labels] == second.labels)[clear].all()


DOUBLED = (
    "absolute_majority supermajority quorum log_odds log_pool product maximum minimum borda instant_run_off run_off"
)


@pytest.mark.parametrize("rule", DOUBLED.split())
@given(seed=seeds)
@few
def test_doubling_all_organisations_changes_no_verdict(rule, seed):
    """Every organisation twice: the same labels and ties."""
    ballots, _, _ = case(seed)
    first = vote(ballots, rule)
    second = vote(ballots.take_models(np.tile(np.arange(ballots.n_models), 2)), rule)
    assert first.labels.tolist() == second.labels.tolist()
    assert first.tied.tolist() == second.tied.tolist()


@given(seed=seeds)
@few
def test_an_organisation_twice_has_weight_two_in_a_pool(seed):
    """A log-pool with one organisation repeated equals the one with size 2 for it."""
    ballots, _, _ = case(seed)
    twice = seed % ballots.n_models
    sizes = [2 if model == twice else 1 for model in range(ballots.n_models)]
    sized = Ballots(ballots.labels, ballots.probabilities, ballots.classes, ballots.organisations, sizes)
    repeated = ballots.take_models([*range(ballots.n_models), twice])
    assert np.allclose(vote(repeated, "log_pool").scores, vote(sized, "log_pool", by="size").scores)


@pytest.mark.parametrize("rule", ["absolute_majority", "supermajority", "quorum", "t_of_n", "log_odds"])
@given(seed=seeds)
@few
def test_monotonicity(rule, seed):
    """A model that changes its mind in favour of the verdict does not unseat it."""
    ballots, _, _ = case(seed)
    if rule == "t_of_n" and ballots.n_models < 2:
        return
    accuracies = np.maximum(ballots.accuracies, 1 / ballots.n_classes + 0.05)
    first = vote(
        Ballots(ballots.labels, None, ballots.classes, ballots.organisations, None, accuracies), rule, tie="lowest"
    )
    labels = np.array(ballots.labels)
    model = seed % ballots.n_models
    labels[model] = np.where(first.abstained, labels[model], first.labels)
    second = vote(Ballots(labels, None, ballots.classes, ballots.organisations, None, accuracies), rule, tie="lowest")
    assert first.labels.tolist() == second.labels.tolist()


@every_rule
@given(seed=seeds)
@few
def test_margins_and_scores_are_shares(rule, options, seed):
    """Margins are from 0 to 1, 0 where tied or abstained and only there; scores sum to one or are all zero."""
    ballots, known, X = case(seed)
    verdict = vote(ballots, rule, validation=known, X=X, **options)
    assert ((verdict.margins >= 0) & (verdict.margins <= 1 + 1e-12)).all()
    assert ((verdict.margins == 0) == (verdict.tied | verdict.abstained)).all()
    sums = verdict.scores.sum(axis=1)
    assert np.allclose(sums[sums > 0], 1)
    assert (verdict.scores >= 0).all()


def edge(labels, n_classes, names=None):
    """Make ballots with everything a rule may need, and validation rows where every model is right."""
    labels = np.array(labels)
    names = names or [f"org {number}" for number in range(len(labels))]
    rows = np.where(labels[:, :, None] == np.arange(n_classes), 1.0, 0.0)
    beside = (np.ones(len(labels)), np.full(len(labels), 0.75), np.ones((len(labels), n_classes)))
    truth = np.arange(n_classes).repeat(2)
    known = np.tile(truth, (len(labels), 1))
    known_rows = np.where(known[:, :, None] == np.arange(n_classes), 1.0, 0.0)
    known_ballots = Ballots(known, known_rows, np.arange(n_classes), names)
    validation = Validation(known_ballots, truth, truth[:, None].astype(float))
    return Ballots(labels, rows, np.arange(n_classes), names, *beside), validation, np.zeros((labels.shape[1], 1))


@every_rule
def test_nobody_answers(rule, options):
    """Where all abstain there is no verdict and no margin, under every rule."""
    ballots, known, X = edge([[-1, 1], [-1, 1]], 2)
    verdict = vote(ballots, rule, validation=known, X=X, **options)
    assert verdict.labels.tolist() == [-1, 1]
    assert verdict.margins[0] == 0
    assert verdict.values.tolist() == [None, 1]


@every_rule
def test_an_empty_batch(rule, options):
    """No records: a verdict on none."""
    ballots, known, X = edge(np.zeros((2, 0), dtype=int), 2)
    verdict = vote(ballots, rule, validation=known, X=X, **options)
    assert verdict.scores.shape == (0, 2)
    assert verdict.values.tolist() == []


@every_rule
def test_one_organisation(rule, options):
    """One organisation's verdict is its own."""
    ballots, known, X = edge([[0, 1, 2]], 3)
    if options.get("space") != "ballots":
        X = np.arange(3.0)[:, None]
    assert vote(ballots, rule, validation=known, X=X, **options).labels.tolist() == [0, 1, 2]


@every_rule
def test_one_class(rule, options):
    """With one class the verdict is that class wherever anybody answers (not of all, at one of three)."""
    ballots, known, X = edge([[0, 0, -1], [0, -1, -1], [0, -1, -1]], 1)
    verdict = vote(ballots, rule, validation=known, X=X, **options)
    strict = options.get("of") == "all" or rule == "quorum"
    assert verdict.labels.tolist() == [0, -1 if strict else 0, -1]
    assert verdict.margins[0] == 1


PURE = [name for name in RULES if RULES.get(name).needs == ("probabilities",)]


@pytest.mark.parametrize("rule", PURE)
def test_zero_probabilities_of_unseen_classes(rule):
    """A class that nobody gives any probability is never chosen."""
    rows = np.array([[[0.6, 0.4, 0.0]], [[0.3, 0.7, 0.0]], [[0.2, 0.8, 0.0]]])
    ballots, known, X = edge([[0], [1], [1]], 3)
    ballots = Ballots(ballots.labels, rows, ballots.classes, ballots.organisations, class_counts=np.ones((3, 3)))
    assert vote(ballots, rule, validation=known, X=X).labels.tolist() == [1]
