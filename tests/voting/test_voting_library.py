"""The library of rules against worked examples, reckoned by hand, and against scikit-learn, SciPy and crowd-kit."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import trim_mean
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import CategoricalNB

from fedlab.errors import FedlabError
from fedlab.voting import Ballots, Validation, risk_coverage, vote


def ballots_of(rows, classes=(0, 1, 2), probabilities=None, **fields):
    """Make ballots from one tuple of labels for each record."""
    names = [f"org {number}" for number in range(len(rows[0]))]
    if probabilities is not None:
        probabilities = np.array(probabilities, dtype=float).transpose(1, 0, 2)
    return Ballots(np.array(rows).T, probabilities, list(classes), names, **fields)


# Kuncheva, Combining Pattern Classifiers, ch. 5: five models, three classes; her third and fifth row sum to 1.1 and
# are divided by that here, as ballots take rows that sum to one only.
KUNCHEVA = np.array([[0.1, 0.5, 0.4], [0, 0, 1], [0.4, 0.3, 0.4], [0.2, 0.7, 0.1], [0.1, 0.8, 0.2]])
MATRIX = ballots_of([(1, 2, 0, 1, 1)], probabilities=[KUNCHEVA / KUNCHEVA.sum(axis=1, keepdims=True)])


@pytest.mark.parametrize(
    ("rule", "chosen"),
    [("soft", 1), ("median", 1), ("trimmed_mean", 1), ("product", 2), ("minimum", 2), ("maximum", 2)],
)
def test_kunchevas_matrix(rule, chosen):
    """Average, median and trimmed mean choose class 1, product, minimum and maximum class 2, counting from 0."""
    assert vote(MATRIX, rule).labels.tolist() == [chosen]


def test_pools_by_hand():
    """Scores of the pools on two models, one with a zero: products, extremes and clipped logarithms."""
    ballots = ballots_of([(0, 0)], probabilities=[[(0.6, 0.4, 0), (0.5, 0.3, 0.2)]], sizes=[1, 3])
    assert vote(ballots, "product").scores[0] == pytest.approx([0.3 / 0.42, 0.12 / 0.42, 0])
    assert vote(ballots, "maximum").scores[0] == pytest.approx([0.6 / 1.2, 0.4 / 1.2, 0.2 / 1.2])
    assert vote(ballots, "minimum").scores[0] == pytest.approx([0.5 / 0.8, 0.3 / 0.8, 0])
    means = np.sqrt([0.6 * 0.5, 0.4 * 0.3, 0.05 * 0.2])
    assert vote(ballots, "log_pool", clip=0.05).scores[0] == pytest.approx(means / means.sum())
    means = np.array([0.6 * 0.5**3, 0.4 * 0.3**3, 0.05 * 0.2**3]) ** 0.25
    assert vote(ballots, "log_pool", by="size", clip=0.05).scores[0] == pytest.approx(means / means.sum())


def test_a_product_of_zeros_is_a_tie_of_all():
    """Each certain of another class: no support, no score, and the tie policy decides. Many small factors do not."""
    ballots = ballots_of([(0, 1)], [0, 1], [[(1, 0), (0, 1)]])
    for rule in ("product", "minimum"):
        verdict = vote(ballots, rule, tie="lowest")
        assert verdict.scores.tolist() == [[0, 0]]
        assert verdict.tied.tolist() == [True]
        assert verdict.labels.tolist() == [0]
        assert vote(ballots, rule, tie="abstain").labels.tolist() == [-1]
    many = Ballots(np.zeros((2000, 1), int), np.full((2000, 1, 3), [0.4, 0.3, 0.3]), range(3), map_names(2000))
    assert vote(many, "product").labels.tolist() == [0]
    assert vote(many, "product").scores[0] == pytest.approx([1, 0, 0])


def map_names(n):
    """Name so many organisations."""
    return [str(number) for number in range(n)]


def test_trimmed_mean_equals_scipy():
    """Equal to scipy.stats.trim_mean, made to sum to one; at 0 soft, at 0.5 median."""
    rng = np.random.default_rng(1)
    rows = rng.dirichlet(np.ones(3), (9, 50))
    ballots = Ballots(rows.argmax(axis=2), rows, range(3), map_names(9))
    for trim in (0.1, 0.12, 0.2, 0.34, 0.4):
        means = trim_mean(rows, trim, axis=0)
        assert vote(ballots, "trimmed_mean", trim=trim).scores == pytest.approx(
            means / means.sum(axis=1, keepdims=True)
        )
    for trim, other in ((0, "soft"), (0.5, "median")):
        assert vote(ballots, "trimmed_mean", trim=trim).scores == pytest.approx(vote(ballots, other).scores)


def test_prior_corrected_by_hand():
    """Each prior divided out, the target's put back; a class that one never saw is no evidence of its."""
    ballots = ballots_of(
        [(0, 1)],
        probabilities=[[(0.75, 0.25, 0), (0.3, 0.5, 0.2)]],
        class_counts=[[30, 10, 0], [20, 20, 40]],
    )
    # Ratios: 1, 1, none (1); 1.2, 2, 0.4. Geometric means times the target.
    for target, shares in [("uniform", [1, 1, 1]), ("pooled", [50, 30, 40]), ([0.2, 0.2, 0.6], [1, 1, 3])]:
        means = np.sqrt([1.2, 2, 0.4]) * shares
        found = vote(ballots, "prior_corrected", target=target).scores[0]
        assert found == pytest.approx(means / means.sum())
    named = vote(ballots, "prior_corrected", target={2: 0.6, 0: 0.2, 1: 0.2}).scores[0]
    assert named == pytest.approx(found)
    for target in ([0.5, 0.5], {0: 1.0}, "poled", [0.5, 0.5, 0.5], [1, 0, 0]):
        with pytest.raises(FedlabError, match="'pooled', 'uniform' or a share"):
            vote(ballots, "prior_corrected", target=target)
    empty = ballots_of([(0, 1)], probabilities=[[(1, 0, 0), (0, 1, 0)]], class_counts=[[1, 0, 0], [0, 0, 0]])
    with pytest.raises(FedlabError, match="'org 1' has no training rows"):
        vote(empty, "prior_corrected")
    with pytest.raises(FedlabError, match="needs class_counts"):
        vote(MATRIX, "prior_corrected")


FIVE = ballots_of(
    [(0, 0, 0, 1, 2), (0, 1, 1, 2, 2), (2, 2, 2, 2, 0), (1, 0, 0, 1, -1), (2, -1, -1, -1, -1), (-1, -1, -1, -1, -1)]
)


@pytest.mark.parametrize(
    ("rule", "options", "labels"),
    [
        ("absolute_majority", {}, [0, -1, 2, -1, 2, -1]),
        ("absolute_majority", {"of": "all"}, [0, -1, 2, -1, -1, -1]),
        ("supermajority", {}, [-1, -1, 2, -1, 2, -1]),
        ("supermajority", {"share": 0.6}, [0, -1, 2, -1, 2, -1]),
        ("supermajority", {"share": 0.8, "of": "all"}, [-1, -1, 2, -1, -1, -1]),
        ("supermajority", {"share": 0.4}, [0, 1, 2, 0, 2, -1]),
        ("quorum", {}, [0, 1, 2, 0, -1, -1]),
        ("quorum", {"share": 1}, [0, 1, 2, -1, -1, -1]),
        ("quorum", {"share": 0}, [0, 1, 2, 0, 2, -1]),
        ("t_of_n", {"t": 1}, [2, 2, 2, 0, 2, -1]),
        ("t_of_n", {"t": 2}, [0, 2, 2, 0, 0, -1]),
        ("t_of_n", {"t": 5}, [0, 1, 0, 0, 0, -1]),
    ],
)
def test_thresholds_by_hand(rule, options, labels):
    """Each threshold rule on six records: a plurality, a tie of two, four of five, a tie, one voice, nobody."""
    verdict = vote(FIVE, rule, **options)
    assert verdict.labels.tolist() == labels
    assert verdict.abstained.tolist() == [label == -1 for label in labels]
    assert verdict.scores[0] == pytest.approx([3 / 5, 1 / 5, 1 / 5])
    assert (verdict.margins[verdict.abstained] == 0).all()


def test_t_of_n_is_any_and_unanimous_at_its_ends():
    """With t = 1 it is `any`; with t = n, where all answer, `unanimous`; more than n is refused."""
    rng = np.random.default_rng(2)
    ballots = Ballots(rng.integers(0, 3, (4, 300)), None, range(3), map_names(4))
    for t, other in ((1, "any"), (4, "unanimous")):
        assert vote(ballots, "t_of_n", t=t).labels.tolist() == vote(ballots, other).labels.tolist()
    with pytest.raises(FedlabError, match="t is 5 and there are 4"):
        vote(ballots, "t_of_n", t=5)
    two = ballots_of([(1, -1, -1), (1, 1, -1)], [0, 1])
    assert vote(two, "t_of_n", t=2, tie="positive").labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("rule", "options", "message"),
    [
        ("supermajority", {"share": 1.5}, "got 1.5; give a number from 0 to 1"),
        ("supermajority", {"share": "most"}, "got 'most'"),
        ("t_of_n", {"t": 1.5}, "a whole number from 1 up"),
        ("t_of_n", {"t": True}, "got True"),
        ("trimmed_mean", {"trim": 0.6}, "from 0 to 0.5"),
        ("log_pool", {"clip": 0}, "got 0"),
        ("knora_e", {"k": 0}, "from 1 up"),
        ("weighted", {"by": "positive"}, "did you mean 'positives'"),
    ],
)
def test_options_out_of_range(rule, options, message):
    """A number that an option does not take is refused before anything else, with what it takes."""
    with pytest.raises(FedlabError, match=message):
        vote(MATRIX, rule, **options)


def all_patterns(accuracies):
    """List every pattern of right and wrong verdicts on a record of class 1, and how probable each is."""
    patterns = np.array(list(product([0, 1], repeat=len(accuracies)))).T
    chance = np.where(patterns == 1, np.array(accuracies)[:, None], 1 - np.array(accuracies)[:, None])
    return Ballots(patterns, None, [0, 1], map_names(len(accuracies)), accuracies=accuracies), chance.prod(axis=0)


def test_log_odds_beat_a_plain_vote():
    """Accuracies (.9, .9, .6, .6, .6): log-odds are right with chance .9266, a plain vote .8770, the best alone .9."""
    ballots, chance = all_patterns([0.9, 0.9, 0.6, 0.6, 0.6])
    assert chance[vote(ballots, "log_odds").labels == 1].sum() == pytest.approx(0.9266, abs=5e-5)
    assert chance[vote(ballots, "majority").labels == 1].sum() == pytest.approx(0.8770, abs=5e-5)


@pytest.mark.parametrize(
    ("accuracy", "table"), [(0.6, [0.6480, 0.6826, 0.7102, 0.7334]), (0.8, [0.8960, 0.9421, 0.9667, 0.9804])]
)
def test_condorcets_table(accuracy, table):
    """A majority of 3, 5, 7, 9 equally good models is right ever more often (Kuncheva, table 4.2)."""
    for n_models, expected in zip((3, 5, 7, 9), table, strict=True):
        ballots, chance = all_patterns([accuracy] * n_models)
        assert chance[vote(ballots).labels == 1].sum() == pytest.approx(expected, abs=5e-5)
        assert chance[vote(ballots, "log_odds").labels == 1].sum() == pytest.approx(expected, abs=5e-5)


def test_log_odds_by_hand():
    """Three classes: w = log(2a/(1-a)); worse than chance counts against; at chance nothing is said."""
    ballots = ballots_of([(0, 1, 2)], accuracies=[0.5, 0.25, 1 / 3])
    weights = np.log([2, 2 / 3, 1])
    parts = np.exp(weights)
    assert vote(ballots, "log_odds").scores[0] == pytest.approx(parts / parts.sum())
    assert vote(ballots.take_models([2]), "log_odds").labels.tolist() == [-1]
    sure = ballots_of([(0, 1, 1)], [0, 1], accuracies=[1.0, 0.9, 0.9])
    assert vote(sure, "log_odds").labels.tolist() == [0]  # log 999 = 6.9 against 2 log 9 = 4.4
    assert vote(sure, "log_odds", clip=0.1).labels.tolist() == [1]
    with pytest.raises(FedlabError, match="'org 0' was not measured"):
        vote(ballots_of([(0, 1)], accuracies=[np.nan, 0.5]), "log_odds")


VALIDATION = (
    ballots_of([(0, 0, 1), (0, 1, 1), (1, 1, 1), (1, 1, 0), (0, 1, -1), (0, 0, 1)], [0, 1]),
    [0, 0, 1, 1, 0, 0],
)


def test_weights_by_cases_and_by_validation():
    """Positives and minority cases held, and accuracy on the validation rows, are the weights they say."""
    ballots = ballots_of([(0, 1, 1)], [0, 1], class_counts=[[2, 9], [30, 3], [30, 4]])
    assert vote(ballots, "weighted", by="positives").scores[0] == pytest.approx([9 / 16, 7 / 16])
    assert vote(ballots, "weighted", by="positives", positive=0).scores[0] == pytest.approx([2 / 62, 60 / 62])
    assert vote(ballots, "weighted", by="minority").labels.tolist() == [0]  # 16 positives against 62
    asked = ballots_of([(0, 1, 0)], [0, 1])
    # Right: the first on 6 of 6 rows, the second on 4 of 6, the third on 1 of 5.
    scores = vote(asked, "weighted", by="validation", validation=VALIDATION).scores[0]
    assert scores == pytest.approx(np.array([1 + 1 / 5, 4 / 6]) / (1 + 1 / 5 + 4 / 6))
    with pytest.raises(FedlabError, match=r"'weighted\(by=validation\)' needs validation, and none was given"):
        vote(asked, "weighted", by="validation")


def test_naive_bayes_by_hand_and_as_scikit_learn():
    """Smoothed confusion matrices by hand; the posterior equals CategoricalNB's."""
    asked = ballots_of([(0, 1, -1)], [0, 1])
    # Class 0 has 4 rows, class 1 has 2; smoothed by 1: first model says 0 on 5/6 and 1/4, second says 1 on 3/6 and 3/4.
    zero, one = 5 / 8 * 5 / 6 * 3 / 6, 3 / 8 * 1 / 4 * 3 / 4
    found = vote(asked, "naive_bayes", validation=VALIDATION)
    assert found.scores[0] == pytest.approx([zero / (zero + one), one / (zero + one)])
    equal = vote(asked, "naive_bayes", validation=VALIDATION, prior="uniform").scores[0]
    assert equal == pytest.approx(
        [zero * 8 / 5 / (zero * 8 / 5 + one * 8 / 3), one * 8 / 3 / (zero * 8 / 5 + one * 8 / 3)]
    )
    rng = np.random.default_rng(3)
    known, truth = rng.integers(0, 3, (5, 200)), rng.integers(0, 3, 200)
    new = rng.integers(0, 3, (5, 60))
    theirs = CategoricalNB(alpha=1, fit_prior=False).fit(known.T, truth).predict_proba(new.T)
    names = map_names(5)
    ours = vote(
        Ballots(new, None, range(3), names),
        "naive_bayes",
        validation=(Ballots(known, None, range(3), names), truth),
        prior="uniform",
    )
    assert ours.scores == pytest.approx(theirs)


def test_behaviour_knowledge_space_by_hand():
    """Shares among rows of the same verdicts; a tie there is a tie; an unseen combination falls back as declared."""
    asked = ballots_of([(0, 0, 1), (1, 1, 0), (1, 0, 0)], [0, 1])
    found = vote(asked, "bks", validation=VALIDATION)
    assert found.labels.tolist() == [0, 1, 0]
    assert found.scores[0] == pytest.approx([1, 0])
    assert found.scores[2] == pytest.approx([2 / 3, 1 / 3])
    assert vote(asked, "bks", validation=VALIDATION, fallback="abstain").labels.tolist() == [0, 1, -1]
    bayes = vote(asked, "naive_bayes", validation=VALIDATION)
    assert vote(asked, "bks", validation=VALIDATION, fallback="naive_bayes").scores[2] == pytest.approx(bayes.scores[2])
    torn = (VALIDATION[0].take_records([0, 5]), [0, 1])
    assert vote(asked, "bks", validation=torn, tie="abstain").labels.tolist() == [-1, 1, 0]


def test_borda_by_hand():
    """Two points for a first, one for a second place, halves for equals."""
    ballots = ballots_of([(0, 1, 1)], probabilities=[[(0.5, 0.3, 0.2), (0.2, 0.6, 0.2), (0.4, 0.6, 0)]])
    # 2 + .5 + 1, 1 + 2 + 2, 0 + .5 + 0 of 9 points.
    assert vote(ballots, "borda").scores[0] == pytest.approx([3.5 / 9, 5 / 9, 0.5 / 9])


def test_instant_run_off_by_hand():
    """The last goes out and its votes pass on; equals go out together; all equal is a tie; zeros are spent votes."""
    rows = {
        "a": (0.6, 0.3, 0.1),
        "b": (0.1, 0.6, 0.3),
        "c": (0.1, 0.3, 0.6),
        "only c": (0.0, 0.0, 1.0),
    }
    said = {"a": 0, "b": 1, "c": 2, "only c": 2}

    def run(who, **options):
        ballots = ballots_of([[said[one] for one in who]], probabilities=[[rows[one] for one in who]])
        return vote(ballots, "instant_run_off", **options)

    # First places 4, 3, 2: class 2 goes out, its votes pass to 1, which wins 5 to 4.
    verdict = run(["a"] * 4 + ["b"] * 3 + ["c"] * 2)
    assert verdict.labels.tolist() == [1]
    assert verdict.scores[0] == pytest.approx([4 / 9, 5 / 9, 0])
    # The votes of those who give the others nothing are spent: 4 to 3 of 7.
    verdict = run(["a"] * 4 + ["b"] * 3 + ["only c"] * 2)
    assert verdict.labels.tolist() == [0]
    assert verdict.scores[0] == pytest.approx([4 / 7, 3 / 7, 0])
    # 2, 1, 1: both last go out together.
    assert run(["a", "a", "b", "c"]).labels.tolist() == [0]
    assert run(["a", "b", "c"], tie="abstain").labels.tolist() == [-1]


def test_run_off_by_hand():
    """First round 3, 2, 2 (the tie for the second place goes to 1); second round by who is more probable."""
    rows = [(0.5, 0.3, 0.2)] * 3 + [(0.1, 0.8, 0.1)] * 2 + [(0.1, 0.3, 0.6)] * 2
    ballots = ballots_of([(0, 0, 0, 1, 1, 2, 2)], probabilities=[rows])
    verdict = vote(ballots, "run_off")
    assert verdict.labels.tolist() == [1]
    assert verdict.scores[0] == pytest.approx([3 / 7, 4 / 7, 0])
    assert vote(ballots, "majority").labels.tolist() == [0]


def skilled(rng, n_records=400, skills=(0.9, 0.8, 0.7, 0.6, 0.55), n_classes=3, silent=0.1):
    """Make verdicts of models with known accuracies, independent given the truth."""
    truth = rng.integers(0, n_classes, n_records)
    wrong = (truth + rng.integers(1, n_classes, (len(skills), n_records))) % n_classes
    labels = np.where(rng.random(wrong.shape) < np.array(skills)[:, None], truth, wrong)
    labels[rng.random(labels.shape) < silent] = -1
    return Ballots(labels, None, range(n_classes), map_names(len(skills))), truth


def test_dawid_skene_by_hand():
    """One round from the shares of votes, reckoned with fractions."""
    ballots = ballots_of([(0, 0), (0, 1), (1, 1)], [0, 1])
    # Start: (1, 0), (.5, .5), (0, 1); priors 1/2. P(first says 0 | 0) = 1.5/1.5 = 1 and
    # P(first says 0 | 1) = .5/1.5 = 1/3; P(second says 1 | 0) = .5/1.5 = 1/3 and P(second says 1 | 1) = 1.
    # Record 1: 1 · 1/3 against 1/3 · 1, a tie.
    found = vote(ballots, "dawid_skene", rounds=1, tie="abstain")
    assert found.scores[1] == pytest.approx([0.5, 0.5])
    assert found.labels.tolist() == [0, -1, 1]


@pytest.mark.parametrize("rule", ["dawid_skene", "one_coin"])
def test_learned_errors_beat_a_plain_vote(rule):
    """On verdicts of unequal, independent models the rule is right more often than a majority, gaps and all."""
    ballots, truth = skilled(np.random.default_rng(5), 2000)
    right = (vote(ballots, rule).labels == truth).mean()
    assert right > (vote(ballots).labels == truth).mean() + 0.01
    silent = ballots_of([(-1, -1)])
    assert vote(silent, rule).labels.tolist() == [-1]
    assert vote(ballots_of([(0, 0), (0, -1)], [0]), rule).labels.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("rule", "name", "options"),
    [
        ("dawid_skene", "DawidSkene", {"n_iter": 20, "tol": -1}),
        ("one_coin", "OneCoinDawidSkene", {"n_iter": 20, "tol": -1}),
        ("glad", "GLAD", {"n_iter": 20}),
        ("mace", "MACE", {"n_iter": 20, "n_restarts": 2}),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_equal_to_crowd_kit(rule, name, options):
    """The same posterior probabilities as crowd-kit, where it is installed."""
    aggregation = pytest.importorskip("crowdkit.aggregation", reason="crowd-kit, the extra 'crowd', is not installed")
    import pandas as pd

    ballots, _ = skilled(np.random.default_rng(6), 120)
    model, record = np.nonzero(ballots.answered)
    frame = pd.DataFrame({"task": record, "worker": model, "label": ballots.labels[model, record]})
    theirs = getattr(aggregation, name)(**options).fit_predict_proba(frame).sort_index()[[0, 1, 2]]
    ours = {"rounds": 20, "tolerance": 0} if rule in ("dawid_skene", "one_coin") else {"rounds": 20}
    found = vote(ballots, rule, **ours, **({"restarts": 2} if rule == "mace" else {}))
    assert found.scores[theirs.index] == pytest.approx(theirs.to_numpy(), abs=1e-4)


@pytest.mark.parametrize("rule", ["glad", "mace"])
def test_without_crowd_kit(rule, monkeypatch):
    """Where crowd-kit is not installed its rules say what to install, and what to use instead."""
    monkeypatch.setitem(__import__("sys").modules, "crowdkit", None)
    with pytest.raises(FedlabError, match=r"pip install 'fedlab-notebooks\[crowd\]'"):
        vote(FIVE, rule)


def test_stacking_equals_scikit_learn():
    """A logistic regression on one-hot verdicts or on probabilities, to the last digits; one class only is a "
    "constant.
    """
    rng = np.random.default_rng(7)
    rows = rng.dirichlet(np.ones(3), (4, 150))
    known = Ballots(rows[:, :100].argmax(axis=2), rows[:, :100], range(3), map_names(4))
    asked = Ballots(rows[:, 100:].argmax(axis=2), rows[:, 100:], range(3), map_names(4))
    for n_classes in (2, 3):
        truth = rng.integers(0, n_classes, 100)
        theirs = LogisticRegression(C=0.3, max_iter=2000).fit(np.hstack(known.probabilities), truth)
        expected = np.zeros((50, 3))
        expected[:, :n_classes] = theirs.predict_proba(np.hstack(asked.probabilities))
        ours = vote(asked, "stacking", validation=(known, truth), of="probabilities", C=0.3)
        assert ours.scores == pytest.approx(expected, abs=1e-9)
    assert vote(asked, "stacking", validation=(known, np.full(100, 2))).scores.tolist() == [[0, 0, 1]] * 50
    with pytest.raises(FedlabError, match="no validation row has one of the classes"):
        vote(asked, "stacking", validation=(known, np.full(100, 9)))


def test_greedy_selection_by_hand():
    """The one model that is right is picked, and what spoils it is left out; a second that helps is taken in."""
    good, bad = [(0.9, 0.1), (0.2, 0.8), (0.7, 0.3)], [(0.1, 0.9), (0.9, 0.1), (0.4, 0.6)]
    known = ballots_of([(0, 1), (1, 0), (0, 1)], [0, 1], list(zip(good, bad, strict=True)))
    asked = ballots_of([(0, 1), (-1, 1)], [0, 1], [[(0.6, 0.4), (0, 1)], [(0, 0), (0, 1)]])
    found = vote(asked, "greedy_selection", validation=(known, [0, 1, 0]))
    assert found.labels.tolist() == [0, -1]
    assert found.scores[0] == pytest.approx([0.6, 0.4])
    # Each is right where the other is unsure: log-loss picks both.
    known = ballots_of([(0, 0), (0, 0)], [0, 1], [[(0.9, 0.1), (0.6, 0.4)], [(0.6, 0.4), (0.9, 0.1)]])
    found = vote(asked, "greedy_selection", validation=(known, [0, 0]), metric="log_loss", rounds=2)
    assert found.scores[0] == pytest.approx([0.3, 0.7])
    bare = Ballots(known.labels, None, [0, 1], known.organisations)
    with pytest.raises(FedlabError, match="validation ballots hold none"):
        vote(asked, "greedy_selection", validation=(bare, [0, 0]))


# Validation rows at 0, 1, 2, 10, 11, 12: the first model is right on the left, the second on the right, the
# third never.
PLACES = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]])
LEFT_RIGHT = Validation(
    ballots_of([(0, 1, 1), (0, 1, 1), (0, 1, 1), (1, 0, 1), (1, 0, 1), (1, 0, 1)], [0, 1]), [0] * 6, PLACES
)


@pytest.mark.parametrize("rule", ["knora_e", "knora_u"])
def test_competence_by_hand(rule):
    """On the left the first model decides, on the right the second, against the other two."""
    asked = ballots_of([(0, 1, 1), (1, 0, 1), (0, 1, 1)], [0, 1])
    at = np.array([[0.5], [11.5], [100.0]])
    found = vote(asked, rule, k=3, validation=LEFT_RIGHT, X=at)
    assert found.labels.tolist() == [0, 0, 1]
    assert found.scores.tolist() == [[1, 0], [1, 0], [0, 1]]


def test_knora_e_shrinks_and_knora_u_weighs():
    """Five neighbours of 2: three on the left, two on the right. None is right on all; 3 to 2 is the weight."""
    asked = ballots_of([(0, 1, 1), (-1, -1, 1)], [0, 1])
    at = np.array([[2.0], [2.0]])
    eliminated = vote(asked, "knora_e", k=5, validation=LEFT_RIGHT, X=at)
    assert eliminated.scores.tolist() == [[1, 0], [0, 1]]  # of those that answer none is competent: all of them vote
    united = vote(asked, "knora_u", k=5, validation=LEFT_RIGHT, X=at)
    assert united.scores[0] == pytest.approx([3 / 5, 2 / 5])
    near = vote(asked, "knora_u", k=3, validation=LEFT_RIGHT, space="ballots")
    assert near.scores[0] == pytest.approx([1, 0])  # the rows with the same verdicts are those on the left
    with pytest.raises(FedlabError, match=r"needs X, and none was given.*space='ballots'"):
        vote(asked, "knora_e", validation=LEFT_RIGHT)
    with pytest.raises(FedlabError, match="without gaps"):
        vote(asked, "knora_e", validation=LEFT_RIGHT, X=[[np.nan], [1.0]])
    with pytest.raises(FedlabError, match="validation rows' features"):
        vote(asked, "knora_e", validation=(LEFT_RIGHT.ballots, [0] * 6), X=at)


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        ("rows", "must be"),
        ((VALIDATION[0], [0, 1]), "one true class for each of its 6 rows"),
        ((VALIDATION[0], ["a"] * 6), "holds text"),
        ((VALIDATION[0].take_models([0, 1]), [0] * 6), "cast both with the same models"),
        ((ballots_of([(0, 0, 1)], [0, 2]), [0]), "over classes"),
        ((VALIDATION[0], [0] * 6, [[1]]), "X must have one row for each of 6"),
    ],
)
def test_bad_validation_rows(validation, message):
    """Validation rows of other models, classes or length are refused."""
    with pytest.raises(FedlabError, match=message):
        vote(ballots_of([(0, 1, 1)], [0, 1]), "naive_bayes", validation=validation)


def test_abstaining_below_a_margin():
    """Margins .4, 0, .6, 0, 1, 0: at .5 two verdicts stand; no threshold that is no margin."""
    assert vote(FIVE, abstain_below=0.5).labels.tolist() == [-1, -1, 2, -1, 2, -1]
    assert vote(FIVE, abstain_below=0).labels.tolist() == vote(FIVE).labels.tolist()
    for below in (-0.1, "much", float("nan"), True):
        with pytest.raises(FedlabError, match="is no margin"):
            vote(FIVE, abstain_below=below)


def test_risk_coverage_by_hand():
    """Margins 1, .6, .6, .2 with one error among the .6: risk 0, 1/3, 1/4; area (0 + 2/3 + 1/4) / 4."""
    ballots = ballots_of([(0,) * 5, (0, 0, 0, 0, 1), (1, 1, 1, 1, 0), (0, 0, 0, 1, 1)], [0, 1])
    curve = risk_coverage(vote(ballots), [0, 1, 1, 0])
    assert curve.thresholds == pytest.approx([1, 0.6, 0.2])
    assert curve.coverage == pytest.approx([1 / 4, 3 / 4, 1])
    assert curve.risk == pytest.approx([0, 1 / 3, 1 / 4])
    assert curve.area == pytest.approx((2 / 3 + 1 / 4) / 4)
    part = risk_coverage(vote(ballots, abstain_below=0.5), [0, 1, 1, 0])
    assert part.coverage == pytest.approx([1 / 4, 3 / 4])
    assert part.area == pytest.approx((2 / 3) / 3)
    assert np.isnan(risk_coverage(vote(ballots, abstain_below=2), [0, 1, 1, 0]).area)
