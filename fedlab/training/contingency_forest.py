"""The contingency forest: a random forest grown on distinct rows with counts instead of on all rows."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    assert_all_finite,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from fedlab.errors import FedlabError
from fedlab.records.distinct import SAMPLE, estimated_distinct, group_rows
from fedlab.training.counted_trees import CountedRows, Recipe, grow

if TYPE_CHECKING:
    from fedlab.records.contingency import ContingencyTable

# Above this share of distinct rows counting them costs more than it saves: benchmarks/forest.py, "break-even".
BREAK_EVEN = 0.8


class ContingencyForestClassifier(RandomForestClassifier):
    """scikit-learn's random forest, grown on the distinct rows of the table and how often each occurs.

    Where rows repeat, as coded patient records do, a bootstrap sample of the rows is a multinomial draw over the
    distinct rows. Trees are scikit-learn's own, grown on the distinct rows with the drawn counts as weights: the
    forest has the same distribution as `RandomForestClassifier` on all rows, at the cost of the distinct ones.
    Where rows hardly repeat, it is scikit-learn's forest, fitted by scikit-learn.

    Parameters
    ----------
    n_estimators, criterion, max_depth, min_samples_split, min_samples_leaf, min_weight_fraction_leaf, max_features, \
max_leaf_nodes, min_impurity_decrease, bootstrap, oob_score, n_jobs, random_state, verbose, warm_start, \
class_weight, ccp_alpha, max_samples, monotonic_cst
        As `sklearn.ensemble.RandomForestClassifier` has them, with the same defaults. `min_samples_split` above
        2, `min_samples_leaf` above 1, `oob_score` and `warm_start` are about single rows: with them scikit-learn
        is given the rows.
    distinct : {"auto", "always", "never"}, default "auto"
        Whether to grow the trees on distinct rows: where it saves time, whenever it is possible, or not at all.

    Attributes
    ----------
    grown_on_ : str
        ``"distinct rows"``, or ``"rows"`` where scikit-learn was given them.
    n_distinct_ : int or None
        Distinct rows (features and class) the trees were grown on; None where they were grown on rows.
    estimators_, classes_, n_classes_, n_features_in_, feature_names_in_, …
        As `RandomForestClassifier` has them. In a tree grown on distinct rows, ``n_node_samples`` counts the rows
        drawn (scikit-learn: those drawn at least once).

    Notes
    -----
    Why and for which parameters the distributions are equal, and how it was tested: docs/contingency_forest.md.
    ``sample_weight`` means counts: a row of weight 3 stands for three equal rows.

    Examples
    --------
    >>> import numpy as np
    >>> age, ill = np.repeat([40.0, 50.0, 60.0], 1000), np.tile([0, 0, 1, 1], 750)
    >>> forest = ContingencyForestClassifier(n_estimators=10, random_state=0).fit(age[:, None], ill)
    >>> forest.grown_on_, forest.n_distinct_
    ('distinct rows', 6)
    >>> type(forest.to_random_forest()).__name__
    'RandomForestClassifier'
    """

    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's own form
        **RandomForestClassifier._parameter_constraints,
        "distinct": [StrOptions({"auto", "always", "never"})],
    }

    def __init__(
        self,
        n_estimators: int = 100,
        *,
        criterion: str = "gini",
        max_depth: int | None = None,
        min_samples_split: float = 2,
        min_samples_leaf: float = 1,
        min_weight_fraction_leaf: float = 0.0,
        max_features: Any = "sqrt",
        max_leaf_nodes: int | None = None,
        min_impurity_decrease: float = 0.0,
        bootstrap: bool = True,
        oob_score: Any = False,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        warm_start: bool = False,
        class_weight: Any = None,
        ccp_alpha: float = 0.0,
        max_samples: float | None = None,
        monotonic_cst: Any = None,
        distinct: str = "auto",
    ) -> None:
        super().__init__(
            n_estimators,
            criterion=criterion,
            max_depth=max_depth,
            min_samples_split=min_samples_split,
            min_samples_leaf=min_samples_leaf,
            min_weight_fraction_leaf=min_weight_fraction_leaf,
            max_features=max_features,
            max_leaf_nodes=max_leaf_nodes,
            min_impurity_decrease=min_impurity_decrease,
            bootstrap=bootstrap,
            oob_score=oob_score,
            n_jobs=n_jobs,
            random_state=random_state,
            verbose=verbose,
            warm_start=warm_start,
            class_weight=class_weight,
            ccp_alpha=ccp_alpha,
            max_samples=max_samples,
            monotonic_cst=monotonic_cst,
        )
        self.distinct = distinct

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> ContingencyForestClassifier:
        """Grow the forest.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            The features: numbers, NaN where missing; no sparse matrix.
        y : array-like of shape (n_rows,)
            The classes. (Several targets at once go to scikit-learn.)
        sample_weight : array-like of shape (n_rows,), optional
            How often each row occurs, 0 or greater. A row of weight 0 is not there. Fractions are allowed: the
            bootstrap then draws the rounded sum of them, each row with probability proportional to its weight.

        Returns
        -------
        ContingencyForestClassifier
            Itself.

        Raises
        ------
        FedlabError
            If X is sparse, a weight is negative, all are 0, or fractional weights meet a parameter about rows.
        """
        self._validate_params()
        if hasattr(X, "tocsr"):
            raise FedlabError("X is a sparse matrix, whose rows cannot be counted by column; give X.toarray()")
        self.n_distinct_: int | None = None
        about_rows = self._about_rows(X, y)
        if not about_rows:
            columns, classes, codes, counts = self._checked(X, y, sample_weight)
            rows = self._counted(columns, codes, counts, len(classes))
            if rows is not None:
                return self._grow(rows, classes)
        return self._fit_rows(X, y, sample_weight, about_rows)

    def fit_counts(self, table: ContingencyTable) -> ContingencyForestClassifier:
        """Grow the forest from a table of counts that need never have been rows.

        Parameters
        ----------
        table : ContingencyTable
            Distinct rows with counts, 0 or greater, whole or not: counted, read from a file, the sum of several
            organisations' tables, or a noisy one (negative counts raised to 0: `ContingencyTable.clipped`).

        Returns
        -------
        ContingencyForestClassifier
            Itself: the same forest, to the last bit, as from the rows with the same `random_state`, where
            `distinct` is ``"always"`` or the rows repeat enough.

        Raises
        ------
        FedlabError
            If a count is negative, all are 0, or a feature is text.

        Examples
        --------
        >>> import pandas as pd
        >>> from fedlab.records.contingency import ContingencyTable
        >>> frame = pd.DataFrame({"age": [40, 40, 60, 60], "ill": ["no", "yes", "no", "yes"]})
        >>> table = ContingencyTable(frame, [900, 100, 200, 800], "ill")
        >>> forest = ContingencyForestClassifier(10, random_state=0).fit_counts(table)
        >>> forest.predict(pd.DataFrame({"age": [40, 60]})).tolist()
        ['no', 'yes']
        """
        text = [name for name in table.features if table.X[name].dtype.kind not in "iufb"]
        if text:
            raise FedlabError(
                f"feature {text[0]!r} of the contingency table is text; give its values numbers first, or fit "
                "make_pipeline(encoder, forest) on table.X, table.y with table.counts as the forest's sample_weight"
            )
        return self.fit(table.X, table.y, table.counts)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return class probabilities: trees are asked once about each distinct row.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            The records.

        Returns
        -------
        array of shape (n_rows, n_classes)
            To the last bit what scikit-learn's forest with ``n_jobs=1`` says, for any `n_jobs`. (A list of arrays
            where it was fitted on several targets.)
        """
        check_is_fitted(self)
        if self.n_outputs_ > 1 or hasattr(X, "tocsr"):
            return super().predict_proba(X)
        return distinct_probabilities(self.estimators_, self._validate_X_predict(X), self.n_jobs)

    def to_random_forest(self) -> RandomForestClassifier:
        """Return the fitted forest as scikit-learn's own class: to save, explain, convert or pool it.

        The trees are the same objects; nothing of the training rows goes along.

        Returns
        -------
        sklearn.ensemble.RandomForestClassifier
            With the same parameters, trees and predictions.
        """
        check_is_fitted(self)
        given = self.get_params(deep=False)
        del given["distinct"]
        plain = RandomForestClassifier(**given)
        left_out = {*self.get_params(deep=False), "grown_on_", "n_distinct_", "_n_samples", "_n_samples_bootstrap"}
        left_out.add("_sample_weight")
        vars(plain).update({name: value for name, value in vars(self).items() if name not in left_out})
        return plain

    @property
    def estimators_samples_(self) -> Any:
        """The rows each tree was drawn; not known of a forest grown on distinct rows."""
        if getattr(self, "grown_on_", "rows") != "rows":
            raise AttributeError("the trees were grown on counts of distinct rows: no rows were drawn")
        return super().estimators_samples_

    def __sklearn_tags__(self) -> Any:
        """Say what scikit-learn's forest says, but that sparse matrices are not taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags

    def _about_rows(self, X: Any, y: Any) -> str | None:
        """Say what makes the fit one of single rows, if anything does."""
        if self.distinct == "never":
            return "distinct='never'"
        for name, default in (("min_samples_split", 2), ("min_samples_leaf", 1)):
            if getattr(self, name) != default or not isinstance(getattr(self, name), Integral):
                return f"{name}={getattr(self, name)!r}"
        if self.oob_score or self.warm_start:
            return "oob_score" if self.oob_score else "warm_start"
        shape = np.asarray(y).shape
        return "several targets" if len(shape) == 2 and shape[1] > 1 else None

    def _checked(self, X: Any, y: Any, sample_weight: Any) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, Any]:
        """Return the columns as trees see them, the classes, each row's class, and its count if there are any."""
        X, y = validate_data(self, X, y, multi_output=True, dtype=np.float32, ensure_all_finite=False)
        assert_all_finite(X, allow_nan=True, input_name="X", estimator_name=type(self).__name__)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        groups = group_rows([y])
        classes, order = np.unique(y[groups.first], return_inverse=True)
        codes = order[groups.codes]
        if sample_weight is None:
            return list(X.T), classes, codes, None
        given = np.asarray(sample_weight, dtype=np.float64)
        if not given.any():
            raise FedlabError("Sample weights must contain at least one non-zero number: how often each row occurs")
        if (given < 0).any():
            raise FedlabError(
                f"sample_weight {given.min():g} is negative; give how often each row occurs, 0 or greater"
            )
        counts = _check_sample_weight(given, X, dtype=np.float64)
        there = counts > 0
        return list(X[there].T), classes, codes[there], counts[there]

    def _counted(
        self, columns: list[np.ndarray], codes: np.ndarray, counts: np.ndarray | None, n_classes: int
    ) -> CountedRows | None:
        """Count the distinct rows, or return None where it does not pay."""
        auto = self.distinct == "auto" and counts is None and len(codes) > SAMPLE
        most = BREAK_EVEN * len(codes)
        if auto and estimated_distinct([*columns, codes]) > most:
            return None
        groups = group_rows([*columns, codes])
        if auto and len(groups.first) > most:
            return None
        X = np.stack([column[groups.first] for column in columns], axis=1)
        y = codes[groups.first]
        found = np.bincount(groups.codes, counts, len(groups.first)).astype(np.float64)
        # Trees find the classes in y: a class whose rows all have weight 0 gets one row that is never drawn.
        absent = np.setdiff1d(np.arange(n_classes), y)
        return CountedRows(
            X=np.asfortranarray(np.concatenate([X, np.repeat(X[:1], len(absent), axis=0)])),
            y=np.concatenate([y, absent]),
            counts=np.concatenate([found, np.zeros(len(absent))]),
            n_classes=n_classes,
        )

    def _grow(self, rows: CountedRows, classes: np.ndarray) -> ContingencyForestClassifier:
        """Grow all trees on counted rows, and set what a fitted forest has."""
        recipe = Recipe(self.bootstrap, self.max_samples, self.class_weight, classes)
        self._validate_estimator()
        self.estimators_ = []
        seeds = check_random_state(self.random_state)
        # One seed after the other from the given state, as scikit-learn does it: with bootstrap=False the trees are
        # the same ones.
        trees = [self._make_estimator(append=False, random_state=seeds) for _ in range(self.n_estimators)]
        self.estimators_ = grow(trees, rows, recipe, self.n_jobs, self.verbose)
        self.n_outputs_, self.classes_, self.n_classes_ = 1, classes, len(classes)
        self.grown_on_, self.n_distinct_ = "distinct rows", int((rows.counts > 0).sum())
        return self

    def _fit_rows(self, X: Any, y: Any, sample_weight: Any, reason: str | None) -> ContingencyForestClassifier:
        """Give the rows to scikit-learn, a row of count 3 three times."""
        if sample_weight is not None:
            counts = np.asarray(sample_weight, dtype=np.float64)
            if counts.shape != np.shape(y)[:1] or (counts < 0).any() or (counts != np.rint(counts)).any():
                raise FedlabError(
                    f"{reason} is about single rows, so that sample_weight must be whole numbers, 0 or greater, one "
                    f"for each of {len(y)} rows: how often it occurs; round them, or leave {reason} at its default"
                )
            from sklearn.utils import _safe_indexing

            rows = np.repeat(np.arange(len(counts)), counts.astype(np.int64))
            X, y = _safe_indexing(X, rows), _safe_indexing(y, rows)
        super().fit(X, y)
        self.grown_on_ = "rows"
        return self


def distinct_probabilities(trees: list[Any], X: np.ndarray, n_jobs: int | None = None) -> np.ndarray:
    """Return the mean probabilities of a forest's trees, each distinct row asked about once.

    Parameters
    ----------
    trees : list of fitted trees
        A forest's ``estimators_``.
    X : float32 array (n_rows, n_features)
        The records as trees see them.
    n_jobs : int or None
        Threads; each takes some of the rows, so that the sum over trees has one order always.

    Returns
    -------
    array (n_rows, n_classes)
    """
    import joblib

    columns = list(X.T)
    repeats = len(X) <= SAMPLE or estimated_distinct(columns) <= BREAK_EVEN * len(X)
    groups = group_rows(columns) if repeats and columns else None
    asked = X if groups is None else X[groups.first]
    threads = joblib.effective_n_jobs(n_jobs)
    parts = [part for part in np.array_split(asked, threads) if len(part)]
    found = joblib.Parallel(n_jobs=threads, prefer="threads")(
        joblib.delayed(_mean_probabilities)(trees, np.ascontiguousarray(part)) for part in parts
    )
    rows = np.concatenate(found)
    return rows if groups is None else rows[groups.codes]


def _mean_probabilities(trees: list[Any], X: np.ndarray) -> np.ndarray:
    total = trees[0].predict_proba(X, check_input=False)
    for tree in trees[1:]:
        total += tree.predict_proba(X, check_input=False)
    total /= len(trees)
    return total
