"""Certificates against brute force: every set of hostile organisations, every answer that they could give."""

from itertools import combinations, permutations, product

import numpy as np
import pytest

from fedlab.errors import FedlabError
from fedlab.voting import RULES, Ballots, certificate, certified_accuracy, collective_certificate, vote

SHAPES = [(1, 2), (3, 2), (4, 2), (5, 2), (3, 3), (4, 3), (3, 1)]


def ballots_at_random(rng, n_models, n_classes, n_records, silent=0.2):
    """Make ballots in eighths, where ties are common and sums exact, some with abstentions."""
    labels = rng.integers(0, n_classes, (n_models, n_records))
    parts = rng.multinomial(8, np.full(n_classes, 1 / n_classes), (n_models, n_records)) / 8
    labels[rng.random(labels.shape) < silent] = -1
    return Ballots(
        labels,
        parts,
        np.arange(n_classes),
        [f"org {number}" for number in range(n_models)],
        sizes=rng.integers(0, 4, n_models) + (np.arange(n_models) == 0),
        accuracies=rng.integers(1, 9, n_models) / 8,
        class_counts=rng.integers(1, 5, (n_models, n_classes)),
    )


def answers_of(n_classes, ranked, apart):
    """List what a hostile organisation may say: nothing, or a class, with probabilities that may say another."""
    rows = list(np.eye(n_classes))
    if ranked:
        top = {1: [1.0], 2: [0.75, 0.25], 3: [0.5, 0.375, 0.125]}[n_classes]
        rows += [np.array(row) for row in permutations(top)]
    said = [(-1, np.zeros(n_classes))]
    return said + [(label, row) for label in range(n_classes) for row in (rows if apart else rows[label : label + 1])]


def brute_radii(ballots, rule, tie, ranked=False, **options):
    """Return for each record the most hostile organisations that no answer of theirs lets change the verdict."""
    honest = vote(ballots, rule, tie=tie, **options).labels
    answers = answers_of(ballots.n_classes, ranked, ranked or tie == "probability")
    labels_of = np.array([one[0] for one in answers])
    rows_of = np.array([one[1] for one in answers])
    stands = np.ones(ballots.n_records, dtype=bool)
    radii = np.full(ballots.n_records, -1)
    for r in range(ballots.n_models + 1):
        for hostile in combinations(range(ballots.n_models), r):
            choice = np.indices((len(answers),) * r).reshape(r, len(answers) ** r).T
            labels = np.tile(ballots.labels, (1, len(choice)))
            rows = np.tile(ballots.probabilities, (1, len(choice), 1))
            for place, model in enumerate(hostile):
                labels[model] = np.repeat(labels_of[choice[:, place]], ballots.n_records)
                rows[model] = np.repeat(rows_of[choice[:, place]], ballots.n_records, axis=0)
            attacked = Ballots(
                labels,
                rows,
                ballots.classes,
                ballots.organisations,
                ballots.sizes,
                ballots.accuracies,
                ballots.class_counts,
            )
            found = vote(attacked, rule, tie=tie, **options).labels.reshape(len(choice), -1)
            stands &= (found == honest).all(axis=0)
        radii[stands] = r
    return np.where(honest == -1, -1, radii)


ADDITIVE = [
    ("majority", {}, "lowest"),
    ("majority", {}, "positive"),
    ("majority", {}, "abstain"),
    ("majority", {}, "probability"),
    ("soft", {}, "lowest"),
    ("soft", {}, "probability"),
    ("weighted", {"by": "size"}, "lowest"),
    ("weighted", {"by": "size"}, "probability"),
    ("weighted", {"by": "accuracy", "of": "probabilities"}, "positive"),
    ("log_odds", {}, "lowest"),
    ("log_pool", {}, "lowest"),
    ("log_pool", {"by": "size", "clip": 0.1}, "abstain"),
    ("prior_corrected", {"target": "uniform"}, "lowest"),
    ("absolute_majority", {}, "lowest"),
    ("absolute_majority", {"of": "all"}, "lowest"),
    ("supermajority", {}, "lowest"),
    ("supermajority", {"share": 0.4}, "positive"),
    ("supermajority", {"of": "all", "share": 0.5}, "abstain"),
    ("quorum", {"share": 0.6}, "lowest"),
    ("t_of_n", {"t": 2}, "lowest"),
    ("any", {}, "lowest"),
    ("unanimous", {}, "positive"),
]


@pytest.mark.parametrize(("rule", "options", "tie"), ADDITIVE, ids=str)
def test_radius_equals_brute_force(rule, options, tie):
    """No set of so many changes the verdict, and some set of one more does: on every record, with the tie policy."""
    rng = np.random.default_rng(17)
    for n_models, n_classes in SHAPES:
        if options.get("t", 1) > n_models:
            continue
        ballots = ballots_at_random(rng, n_models, n_classes, 30 if n_models * n_classes < 12 else 12)
        found = certificate(ballots, rule, tie=tie, declared="trust", **options)
        assert found.exact
        assert found.radii.tolist() == brute_radii(ballots, rule, tie, **options).tolist()


@pytest.mark.parametrize("tie", ["lowest", "probability"])
def test_borda_and_run_off_are_sound(tie):
    """Borda's radius is exact with ties to the lowest; a run-off survives at least what its certificate says."""
    rng = np.random.default_rng(5)
    reached = 0
    for n_models, n_classes, n_records in [(3, 2, 40), (3, 3, 25), (4, 3, 8)]:
        ballots = ballots_at_random(rng, n_models, n_classes, n_records, silent=0.1)
        brute = brute_radii(ballots, "borda", tie, ranked=n_models < 4)
        radii = certificate(ballots, "borda", tie=tie).radii
        assert (radii <= brute).all()
        if n_classes == 2:
            assert radii.tolist() == brute.tolist()
        brute = brute_radii(ballots, "run_off", tie, ranked=n_models < 4)
        radii = certificate(ballots, "run_off", tie=tie).radii
        assert (radii <= brute).all()
        reached += (radii == brute).mean()
    assert reached > 2.4  # and it is rarely less: in four of five records exact


@pytest.mark.parametrize("tie", ["lowest", "probability", "positive", "abstain"])
@pytest.mark.parametrize(("rule", "options"), [("median", {}), ("trimmed_mean", {"trim": 0.2})], ids=str)
def test_order_statistics_are_sound(rule, options, tie):
    """Median and trimmed mean survive what is certified, silence and lies included; of two classes rarely more."""
    rng = np.random.default_rng(11)
    for n_models, n_classes, n_records in [(1, 2, 20), (4, 2, 40), (5, 2, 40), (3, 3, 30), (4, 3, 12)]:
        ballots = ballots_at_random(rng, n_models, n_classes, n_records)
        brute = brute_radii(ballots, rule, tie, **options)
        found = certificate(ballots, rule, tie=tie, **options)
        assert (found.radii <= brute).all()
        assert not found.exact
        assert n_classes > 2 or (found.radii == brute).mean() >= 0.75


def test_median_radius_by_hand():
    """Five models .9 .8 .7 .6 .1 for the class: one 0 for the .9 makes the median .6, two make it .1."""
    p = np.array([0.9, 0.8, 0.7, 0.6, 0.1])[:, None]
    ballots = Ballots(np.where(p > 0.5, 0, 1), np.stack([p, 1 - p], axis=2), [0, 1], list("abcde"))
    assert certificate(ballots, "median").radii.tolist() == [1]
    # without the ends (.8 + .7 + .6) / 3; one 0 for the .9 leaves .7, .6, .1: below one half, so none is survived
    assert certificate(ballots, "trimmed_mean", trim=0.2).radii.tolist() == [0]


def test_plurality_formula_on_thousands():
    """With ties to the lowest: r = min over k of floor((n_c - n_k - [k < c]) / 2), on 20,000 records."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, (13, 20_000))
    ballots = Ballots(labels, None, range(4), [str(number) for number in range(13)])
    found = certificate(ballots, tie="lowest")
    counts = np.array([(labels == k).sum(axis=0) for k in range(4)])
    verdict = counts.argmax(axis=0)
    gaps = [
        np.where(verdict == k, 99, (counts[verdict, np.arange(20_000)] - counts[k] - (k < verdict)) // 2)
        for k in range(4)
    ]
    assert found.radii.tolist() == np.min(gaps, axis=0).tolist()


def test_run_off_certifies_more_than_plurality_by_hand():
    """Votes 4, 3, 3 for 0, 1, 2 where all prefer 0 to the others: plurality falls to one, the run-off to none."""
    said = [0] * 4 + [1] * 3 + [2] * 3
    rows = [[0.8, 0.1, 0.1]] * 4 + [[0.4, 0.6, 0]] * 3 + [[0.4, 0, 0.6]] * 3
    ballots = Ballots(np.array(said)[:, None], np.array(rows)[:, None], range(3), [str(n) for n in range(10)])
    assert certificate(ballots, "majority", tie="lowest").radii.tolist() == [0]
    # Both others must overtake 0 in the first round: gaps of 2 (ties go to 0) in two classes need 2 hostile ones; to
    # win the second round 1 must turn 7:3, for which 3 are needed.
    assert certificate(ballots, "run_off", tie="lowest").radii.tolist() == [1]


@pytest.mark.parametrize("rule", ["product", "maximum", "minimum"])
def test_one_organisation_decides(rule):
    """Maximum, minimum and the unclipped product have radius 0, and the certificate says so."""
    rows = np.full((9, 1, 2), [0.9, 0.1])
    ballots = Ballots(np.zeros((9, 1), int), rows, [0, 1], [str(n) for n in range(9)])
    found = certificate(ballots, rule)
    assert found.radii.tolist() == [0]
    assert "one organisation decides" in found.note
    rows[4] = [[0, 1]]
    assert vote(Ballots(ballots.labels, rows, [0, 1], ballots.organisations), rule).labels.tolist() != [0] or (
        rule == "maximum" and vote(Ballots(ballots.labels, rows, [0, 1], ballots.organisations), rule).labels[0] == 1
    )
    with pytest.raises(FedlabError, match="'instant_run_off' has no known certificate"):
        certificate(ballots, "instant_run_off")


def test_declared_weights_void_a_certificate():
    """Weights that organisations declare are refused, or taken at the worst: no limit means radius 0."""
    rng = np.random.default_rng(2)
    ballots = ballots_at_random(rng, 5, 2, 40, silent=0)
    for rule, by in [("weighted", "size"), ("weighted", "accuracy"), ("weighted", "minority"), ("log_pool", "size")]:
        with pytest.raises(FedlabError, match="declared='worst'"):
            certificate(ballots, rule, by=by)
    with pytest.raises(FedlabError, match="did you mean 'worst'"):
        certificate(ballots, "weighted", declared="wurst")
    for rule, options in [("weighted", {"by": "size"}), ("weighted", {"by": "positives"}), ("prior_corrected", {})]:
        assert set(certificate(ballots, rule, declared="worst", **options).radii.tolist()) <= {0, -1}


@pytest.mark.parametrize("rule", ["weighted", "log_odds"])
def test_worst_declaration_of_an_accuracy_by_brute_force(rule):
    """At the worst declaration hostile organisations say accuracy 1: all of them, whatever they declared before."""
    rng = np.random.default_rng(9)
    by = {"by": "accuracy"}
    for _ in range(30):
        ballots = ballots_at_random(rng, 4, 2, 1, silent=0)
        verdict = vote(ballots, rule, tie="lowest", **by).labels[0]
        if verdict < 0:
            continue
        brute = 4
        for r in range(4, 0, -1):
            for hostile in combinations(range(4), r):
                labels, accuracies = np.array(ballots.labels), np.array(ballots.accuracies)
                labels[list(hostile)], accuracies[list(hostile)] = 1 - verdict, 1.0
                attacked = Ballots(labels, None, [0, 1], ballots.organisations, accuracies=accuracies)
                if vote(attacked, rule, tie="lowest", **by).labels[0] != verdict:
                    brute = r - 1
        assert certificate(ballots, rule, tie="lowest", declared="worst", **by).radii.tolist() == [brute]


@pytest.mark.parametrize(
    ("rule", "options", "tie"),
    [
        ("majority", {}, "lowest"),
        ("majority", {}, "probability"),
        ("weighted", {}, "lowest"),
        ("soft", {}, "lowest"),
        ("log_pool", {}, "lowest"),
    ],
)
def test_collective_by_brute_force(rule, options, tie):
    """One set for all records: exact by enumeration; the bound is sound; none is below the pointwise."""
    rng = np.random.default_rng(11)
    answers = {2: [-1, 0, 1], 3: [-1, 0, 1, 2]}
    gained = 0
    for n_models, n_classes in [(4, 2), (5, 2), (3, 3)]:
        ballots = ballots_at_random(rng, n_models, n_classes, 10, silent=0.4)
        kind = {"tie": tie, "declared": "trust", **options}
        for r in range(n_models + 1):
            exact = collective_certificate(ballots, r, rule, method="enumerate", **kind)
            bound = collective_certificate(ballots, r, rule, method="bound", **kind)
            alone = collective_certificate(ballots, r, rule, method="pointwise", **kind)
            assert alone.survivors == exact.pointwise == bound.pointwise
            assert alone.survivors <= bound.survivors <= exact.survivors
            gained += exact.survivors - alone.survivors
            verdict = vote(ballots, rule, tie=tie, **options).labels
            worst = ballots.n_records
            for hostile in combinations(range(n_models), r):
                fallen = np.zeros(ballots.n_records, dtype=bool)
                for said in product(answers[n_classes], repeat=r):
                    labels, rows = np.array(ballots.labels), np.array(ballots.probabilities)
                    for model, label in zip(hostile, said, strict=True):
                        labels[model] = label
                        rows[model] = np.eye(n_classes)[label] if label >= 0 else 0
                    attacked = Ballots(labels, rows, ballots.classes, ballots.organisations, ballots.sizes)
                    fallen |= vote(attacked, rule, tie=tie, **options).labels != verdict
                worst = min(worst, int((~fallen & (verdict >= 0)).sum()))
            assert exact.survivors == worst
    assert gained > 0 or rule in ("soft", "log_pool")


def test_collective_bound_for_many_organisations():
    """Sixty organisations: the bound lies between the pointwise and what the worst of many tried sets leaves."""
    rng = np.random.default_rng(4)
    labels = (rng.random((60, 300)) < rng.uniform(0.3, 0.9, 60)[:, None]).astype(int)
    labels[rng.random(labels.shape) < 0.7] = -1
    ballots = Ballots(labels, None, [0, 1], [str(n) for n in range(60)])
    found = collective_certificate(ballots, 3, tie="lowest")
    assert not found.exact
    assert found.pointwise < found.survivors
    verdict = vote(ballots, tie="lowest").labels
    for _ in range(100):
        hostile = rng.choice(60, 3, replace=False)
        stand = verdict >= 0
        for side in (0, 1):
            attacked = labels.copy()
            attacked[hostile] = side
            again = vote(Ballots(attacked, None, [0, 1], ballots.organisations), tie="lowest").labels
            stand &= again == verdict
        assert stand.sum() >= found.survivors


def test_certified_accuracy_by_hand():
    """Three records with radii 0, 2, 0, the last of them wrong."""
    ballots = Ballots(np.array([[0, 0, 0, 1, 1], [1] * 5, [0, 0, 1, 1, 1]]).T, None, [0, 1], list("abcde"))
    table = certified_accuracy(ballots, [0, 1, 0], tie="lowest", collective=True)
    assert table["r"].tolist() == [0, 1, 2]
    assert table["certified_accuracy"].tolist() == pytest.approx([2 / 3, 1 / 3, 1 / 3])
    assert table["collective_accuracy"].tolist() == pytest.approx([2 / 3, 1 / 3, 1 / 3])
    assert table["collective_exact"].all()
    with pytest.raises(FedlabError, match="one class for each of 3"):
        certified_accuracy(ballots, [0, 1])


def test_an_empty_batch_and_blocks(monkeypatch):
    """No records: no radii. Records in blocks: the same radii."""
    rng = np.random.default_rng(6)
    ballots = ballots_at_random(rng, 5, 3, 50)
    assert certificate(ballots.take_records(slice(0, 0))).radii.tolist() == []
    whole = certificate(ballots, "soft").radii
    monkeypatch.setattr("fedlab.voting.certificates._BLOCK_CELLS", 105)
    assert certificate(ballots, "soft").radii.tolist() == whole.tolist()
    for r in (-1, 6, 1.5, True):
        with pytest.raises(FedlabError, match="from 0 to 5"):
            collective_certificate(ballots, r)
    with pytest.raises(FedlabError, match="did you mean 'enumerate'"):
        collective_certificate(ballots, 1, method="enumerat")


def test_every_rule_says_how_it_is_certified():
    """Additive rules certify exactly; the rest say which kind, or that none is known."""
    kinds = {name: RULES.get(name).certificate for name in RULES}
    assert {name for name in kinds if kinds[name] == "additive"} == {n for n in RULES if RULES.get(n).additive}
    assert {name for name in kinds if kinds[name] == "zero"} == {"product", "maximum", "minimum"}
