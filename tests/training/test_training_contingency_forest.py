"""The contingency forest: scikit-learn's trees where nothing is drawn, their distribution where it is."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.stats import ks_2samp
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from fedlab.errors import FedlabError
from fedlab.exchange import load_model, save_model
from fedlab.records import ContingencyTable, Records, Schema, load_records
from fedlab.training import (
    ContingencyForestClassifier,
    build_model,
    check_model,
    counted_trees,
    pool_trees,
    train_organisation,
)

LEVEL = 0.001  # of a whole set of two-sample tests, divided among them (Bonferroni)
SETTINGS = {
    "default": {},
    "entropy, few leaves": {"criterion": "entropy", "max_leaf_nodes": 20},
    "shallow": {"max_depth": 4, "max_features": 2},
    "all features": {"max_features": None},
    "a third drawn": {"max_samples": 0.3},
    "200 drawn": {"max_samples": 200},
    "balanced": {"class_weight": "balanced"},
    "balanced_subsample": {"class_weight": "balanced_subsample"},
    "class weights": {"class_weight": {0: 1, 1: 5}},
    "weight in leaves": {"min_weight_fraction_leaf": 0.02},
    "impurity": {"min_impurity_decrease": 0.002},
    "pruned": {"ccp_alpha": 0.0005},
    "monotonic": {"monotonic_cst": [1, 0, 1]},
}
QUICK = ("default", "entropy, few leaves", "balanced_subsample", "class weights", "a third drawn")


def coarse(n_rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Give coded records: age in decades, diabetic, pressure in tens."""
    records = load_records({"name": "synthetic", "n_rows": n_rows, "seed": seed})
    return (records.X // [10, 1, 10]).to_numpy(dtype=float), records.y


def with_gaps(X: np.ndarray) -> np.ndarray:
    """Take a tenth of two columns away."""
    X = X.copy()
    X[np.random.default_rng(0).random(X.shape) < [0.1, 0, 0.1]] = np.nan
    return X


def tree_state(tree) -> dict[str, bytes]:
    """Return all that a tree holds, as bytes; where a leaf would send a missing value, nothing reads."""
    state = tree.tree_.__getstate__()
    nodes = state["nodes"].copy()
    nodes["missing_go_to_left"][nodes["left_child"] < 0] = 0
    held = {name: nodes[name].tobytes() for name in nodes.dtype.names}
    return held | {"values": state["values"].tobytes(), "max_depth": bytes([state["max_depth"]])}


def same_trees(one, other) -> bool:
    """Say whether two forests hold the same trees, to the last bit of every number in their nodes."""
    return [tree_state(tree) for tree in one.estimators_] == [tree_state(tree) for tree in other.estimators_]


WITHOUT_DRAWS = {name: options for name, options in SETTINGS.items() if "max_samples" not in options}


@pytest.mark.parametrize("name", WITHOUT_DRAWS)
@pytest.mark.parametrize("gaps", [False, True])
def test_without_bootstrap_the_trees_are_those_of_scikit_learn(name, gaps):
    """With bootstrap=False the whole state of every tree is scikit-learn's, whatever the other parameters."""
    options = WITHOUT_DRAWS[name]
    if gaps and name == "monotonic":
        pytest.skip("scikit-learn has no monotonic splits with missing values")
    if gaps and tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 8):
        pytest.skip("scikit-learn 1.6 leaves where a missing value goes to the feature it tried before")
    if "balanced" in name:  # weights that are no dyadic fractions add up otherwise in the last bit
        options = {"class_weight": {0: 0.75, 1: 2.5}}
    X, y = coarse(3000)
    X = with_gaps(X) if gaps else X
    own = ContingencyForestClassifier(5, bootstrap=False, random_state=3, **options).fit(X, y)
    theirs = RandomForestClassifier(5, bootstrap=False, random_state=3, **options).fit(X, y)
    assert own.grown_on_ == "distinct rows" and own.n_distinct_ < 1200
    assert same_trees(own, theirs)
    assert np.array_equal(own.predict_proba(with_gaps(X)), theirs.predict_proba(with_gaps(X)))


def test_without_bootstrap_three_classes_of_text_are_the_same_too():
    """The classes may be text and more than two."""
    X, y = coarse(2000)
    named = np.array(["ill", "well", "unsure"], dtype=object)[(y + (X[:, 0] > 6)).astype(int)]
    own = ContingencyForestClassifier(5, bootstrap=False, random_state=0).fit(X, named)
    theirs = RandomForestClassifier(5, bootstrap=False, random_state=0).fit(X, named)
    assert same_trees(own, theirs) and own.classes_.tolist() == theirs.classes_.tolist()
    assert own.predict(X).tolist() == theirs.predict(X).tolist()


def figures(forest, X: np.ndarray, y: np.ndarray) -> list[float]:
    """Return what is compared of a forest: scores, sizes of trees, and the risk of two patients."""
    risk = forest.predict_proba(X)[:, 1]
    trees = [tree.tree_ for tree in forest.estimators_]
    found = [
        accuracy_score(y, risk > 0.5),
        roc_auc_score(y, risk),
        log_loss(y, np.clip(risk, 0.01, 0.99)),
        np.mean([tree.node_count for tree in trees]),
        np.mean([tree.max_depth for tree in trees]),
        np.mean([tree.weighted_n_node_samples[0] for tree in trees]),
        np.mean([np.max(tree.impurity) for tree in trees]),
        *forest.predict_proba([[3.0, 0.0, 12.0], [7.0, 1.0, 15.0]])[:, 1],
    ]
    return np.round(found, 9).tolist()  # sums of weights differ in the last bits with the order of the rows


def sample(kind, setting: str, seeds: range) -> np.ndarray:
    """Return the figures of one forest for each seed, shape (n_seeds, n_figures)."""
    X, y = coarse(1200)
    X_test, y_test = coarse(800, seed=1)
    forests = (kind(5, random_state=seed, **SETTINGS[setting]).fit(X, y) for seed in seeds)
    return np.array([figures(forest, X_test, y_test) for forest in forests])


@cache
def scikit_learns(setting: str, seeds: range) -> np.ndarray:
    """Return the figures of scikit-learn's forests."""
    return sample(RandomForestClassifier, setting, seeds)


def least_p_value(setting: str, n_seeds: int) -> float:
    """Return the least p-value of the figures times their number: two-sample Kolmogorov-Smirnov, other seeds each."""
    own = sample(ContingencyForestClassifier, setting, range(n_seeds))
    theirs = scikit_learns(setting, range(n_seeds, 2 * n_seeds))
    return min(ks_2samp(*pair, method="asymp").pvalue for pair in zip(own.T, theirs.T, strict=True)) * own.shape[1]


@pytest.mark.parametrize("setting", QUICK)
def test_forests_have_the_distribution_of_scikit_learns(setting):
    """No figure of forests over 50 seeds differs from scikit-learn's at level 0.001 for the setting."""
    assert least_p_value(setting, 50) > LEVEL


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_forests_have_the_distribution_of_scikit_learns_over_many_seeds(setting):
    """The same over 300 seeds and all settings."""
    assert least_p_value(setting, 300) > LEVEL


def _as_they_are(draws, n_draws, shares, row_cells):
    return np.maximum(np.rint(shares * n_draws), 1.0)


def _evenly(draws, n_draws, shares, row_cells):
    return draws.multinomial(n_draws, np.full(len(shares), 1 / len(shares))).astype(float)


def _too_few(draws, n_draws, shares, row_cells):
    return draws.multinomial(int(0.632 * n_draws), shares).astype(float)


def _once(draws, n_draws, shares, row_cells):
    return np.minimum(draws.multinomial(n_draws, shares), np.rint(shares * n_draws)).astype(float)


@pytest.mark.parametrize("wrong", [_as_they_are, _evenly, _too_few, _once])
def test_the_comparison_catches_a_wrong_bootstrap(wrong, monkeypatch):
    """Counts not drawn, drawn evenly, too few, or capped: the same test at the same level sees each."""
    monkeypatch.setattr(counted_trees, "_multinomial", wrong)
    assert least_p_value("default", 50) < LEVEL


@pytest.mark.parametrize("row_cells", [None, np.repeat([0, 1, 2], [5, 3, 2])], ids=["counts", "rows"])
def test_bootstrap_counts_have_mean_variance_and_covariance_of_drawn_rows(row_cells):
    """Over many draws the counts have the moments of a multinomial: n p, n p (1 - p), -n p q."""
    shares = np.array([0.5, 0.3, 0.2])
    draw = counted_trees._multinomial
    drawn = np.array([draw(np.random.default_rng(seed), 100, shares, row_cells) for seed in range(4000)])
    assert (drawn.sum(axis=1) == 100).all()
    assert np.allclose(drawn.mean(axis=0), [50, 30, 20], atol=0.4)
    assert np.allclose(np.cov(drawn.T), 100 * (np.diag(shares) - np.outer(shares, shares)), atol=2)


def test_counts_are_rows():
    """Weights, repeated rows in any order and a table of counts give the same forest to the last bit."""
    X, y = coarse(1500)
    rows = np.random.default_rng(0).permutation(np.repeat(np.arange(1500), 3))
    frame = pd.DataFrame(X, columns=["age", "diabetic", "pressure"])
    options = {"n_estimators": 4, "random_state": 0, "max_samples": 0.5}
    weighted = ContingencyForestClassifier(**options).fit(frame, y, sample_weight=np.full(1500, 3))
    repeated = ContingencyForestClassifier(**options).fit(frame.iloc[rows], y[rows])
    table = ContingencyTable(frame.assign(ill=y), np.full(1500, 3), "ill")
    counted = ContingencyForestClassifier(**options).fit_counts(table)
    assert same_trees(weighted, repeated) and same_trees(weighted, counted)
    assert counted.feature_names_in_.tolist() == ["age", "diabetic", "pressure"]


def test_rows_of_weight_zero_are_not_there_and_their_class_is_known():
    """Weight 0 leaves a row out of every tree but its class stays among the classes, as in scikit-learn."""
    X, y = np.array([[0.0], [1.0], [2.0]]), np.array(["a", "b", "c"])
    forest = ContingencyForestClassifier(5, random_state=0).fit(X, y, sample_weight=[3, 4, 0])
    assert forest.classes_.tolist() == ["a", "b", "c"] and forest.n_distinct_ == 2
    assert (forest.predict_proba(X)[:, 2] == 0).all()


def test_a_noisy_table_is_drawn_in_proportion():
    """Counts that are no whole numbers: as many rows are drawn as they round to together."""
    frame = pd.DataFrame({"age": [40, 40, 60, 60], "ill": [0, 1, 0, 1]})
    table = ContingencyTable(frame, [9.4, 0.5, -0.7, 10.2], "ill")
    with pytest.raises(FedlabError, match="negative"):
        ContingencyForestClassifier(5).fit_counts(table)
    forest = ContingencyForestClassifier(300, random_state=0).fit_counts(table.clipped())
    drawn = [tree.tree_.weighted_n_node_samples[0] for tree in forest.estimators_]
    assert set(drawn) == {20.0}
    shares = np.array([tree.tree_.value[0, 0, 1] for tree in forest.estimators_])
    assert abs(shares.mean() - 10.7 / 20.1) < 0.025


def test_any_number_of_threads_gives_the_same_bytes():
    """Trees and probabilities do not depend on n_jobs; probabilities are those of scikit-learn's own class."""
    X, y = coarse(2000)
    one = ContingencyForestClassifier(8, random_state=5, n_jobs=1).fit(X, y)
    two = ContingencyForestClassifier(8, random_state=5, n_jobs=3).fit(X, y)
    assert same_trees(one, two)
    assert np.array_equal(one.predict_proba(X), two.predict_proba(X))
    assert np.array_equal(one.predict_proba(X), one.to_random_forest().predict_proba(X))
    assert np.array_equal(two.predict_proba(X[:1]), one.predict_proba(X)[:1])


@pytest.mark.parametrize(
    "options",
    [{"min_samples_leaf": 5}, {"min_samples_split": 0.01}, {"oob_score": True}, {"distinct": "never"}],
    ids=str,
)
def test_what_is_about_rows_is_left_to_scikit_learn(options):
    """With such a parameter the forest is scikit-learn's to the last bit; weights must then be whole."""
    X, y = coarse(800)
    own = ContingencyForestClassifier(20, random_state=0, **options).fit(X, y)
    plain = {name: value for name, value in options.items() if name != "distinct"}
    assert own.grown_on_ == "rows" and own.n_distinct_ is None
    assert same_trees(own, RandomForestClassifier(20, random_state=0, **plain).fit(X, y))
    twice = ContingencyForestClassifier(20, random_state=0, **options).fit(X, y, sample_weight=np.full(800, 2))
    rows = np.repeat(np.arange(800), 2)
    assert same_trees(twice, RandomForestClassifier(20, random_state=0, **plain).fit(X[rows], y[rows]))
    with pytest.raises(FedlabError, match="whole numbers"):
        own.fit(X, y, sample_weight=np.full(800, 0.5))


def test_rows_that_hardly_repeat_are_left_to_scikit_learn():
    """Many rows of Gaussian features: the forest is scikit-learn's; `distinct="always"` counts them all the same."""
    draws = np.random.default_rng(0)
    X, y = draws.normal(size=(12_000, 2)), draws.integers(0, 2, 12_000)
    own = ContingencyForestClassifier(2, max_depth=3, random_state=0).fit(X, y)
    assert own.grown_on_ == "rows"
    assert same_trees(own, RandomForestClassifier(2, max_depth=3, random_state=0).fit(X, y))
    forced = ContingencyForestClassifier(2, max_depth=3, random_state=0, distinct="always").fit(X, y)
    assert forced.n_distinct_ == 12_000
    risks = own.predict_proba(X), own.to_random_forest().predict_proba(X)
    assert np.array_equal(*risks)


def test_bad_input_is_refused_with_the_reason():
    """Negative weights, no weight at all, sparse rows, text in a table, max_samples without bootstrap."""
    from scipy.sparse import csr_matrix

    X, y = coarse(50)
    forest = ContingencyForestClassifier(2)
    with pytest.raises(FedlabError, match="-1 is negative"):
        forest.fit(X, y, sample_weight=np.full(50, -1))
    with pytest.raises(FedlabError, match="at least one non-zero"):
        forest.fit(X, y, sample_weight=np.zeros(50))
    with pytest.raises(FedlabError, match="toarray"):
        forest.fit(csr_matrix(X), y)
    with pytest.raises(FedlabError, match="'sex' of the contingency table is text"):
        forest.fit_counts(ContingencyTable(pd.DataFrame({"sex": ["f", "m"], "ill": [0, 1]}), [1, 1], "ill"))
    with pytest.raises(FedlabError, match="bootstrap is False"):
        ContingencyForestClassifier(2, bootstrap=False, max_samples=10).fit(X, y)
    with pytest.raises(FedlabError, match="weight 0 to every class"):
        ContingencyForestClassifier(2, class_weight={0: 0.0, 1: 0.0}).fit(X, y)
    with pytest.raises(AttributeError, match="no rows were drawn"):
        _ = forest.fit(X, y).estimators_samples_


def records_of(n_rows: int) -> Records:
    """Give coded records as an organisation has them."""
    X, y = coarse(n_rows)
    frame = pd.DataFrame(X, columns=["Age", "Diabetic", "Pressure"]).assign(Disease=y, PatientID=np.arange(n_rows))
    return Records(frame, Schema("PatientID", ["Age", "Diabetic", "Pressure"], "Disease"))


def test_an_organisation_trains_one_by_name_and_saves_a_plain_forest(tmp_path):
    """`model: contingency_forest` is the reference recipe; the file holds scikit-learn's class and loads."""
    assert build_model("contingency_forest").n_estimators == 40
    check_model({"name": "contingency_forest", "max_depth": 3})
    trained = train_organisation(records_of(1000), "contingency_forest")
    assert type(trained.estimator) is RandomForestClassifier and len(trained.estimator.estimators_) == 40
    path = tmp_path / "contingency_forest_model_part1.skops"
    save_model(trained.estimator, path, trained.card())
    loaded, card = load_model(path)
    X, _ = coarse(200, seed=2)
    asked = pd.DataFrame(X, columns=["Age", "Diabetic", "Pressure"])
    assert np.array_equal(loaded.predict_proba(asked), trained.estimator.predict_proba(asked))
    assert card.n_estimators == 40 and card.estimator.endswith("RandomForestClassifier")
    assert pool_trees([loaded, trained.estimator]).trees == (40, 40)


def test_behind_an_encoder_it_is_saved_as_a_plain_forest_too():
    """Where a step stands before the forest, that step stays and the forest is converted."""
    records = records_of(600)
    frame = records.frame.assign(Diabetic=np.where(records.frame["Diabetic"] > 0, "yes", "no"))
    trained = train_organisation(Records(frame, records.schema), "contingency_forest")
    assert type(trained.estimator.steps[-1][1]) is RandomForestClassifier
    assert trained.scores is not None and trained.scores.accuracy > 0.7


def test_an_organisation_scores_as_with_scikit_learns_forest():
    """Local scores over some seeds lie where those of the random forest lie."""
    records = records_of(1500)
    scores = {
        model: np.mean([train_organisation(records, model, random_state=seed).scores.roc_auc for seed in range(4)])
        for model in ("contingency_forest", "random_forest")
    }
    assert abs(scores["contingency_forest"] - scores["random_forest"]) < 0.006
