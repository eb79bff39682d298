"""VotingEnsemble: models that are fitted already, and a rule, as one scikit-learn classifier."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from fedlab.errors import FedlabError, unknown_name
from fedlab.voting.ballots import Ballots
from fedlab.voting.blocks import blocks, distinct_rows, join_verdicts, take_rows
from fedlab.voting.casting import cast_ballots
from fedlab.voting.members import Members
from fedlab.voting.prefit import Prefit, checked_classes, checked_table
from fedlab.voting.registry import find_rule
from fedlab.voting.validation import Validation
from fedlab.voting.verdict import Verdict
from fedlab.voting.votes import vote

_BLOCK_CELLS = 32_000_000  # probabilities held at a time: 256 MB


class VotingEnsemble(Prefit, ClassifierMixin, BaseEstimator):
    """Merge models that organisations have fitted already by a vote; nothing is fitted again.

    Parameters
    ----------
    models : sequence
        Fitted classifiers, or paths of model files that `fedlab.exchange.save_model` wrote (their cards tell names,
        sizes, accuracies and class counts). Of different kinds, classes and orders of features as they may be. None
        stands for an organisation that has not answered.
    rule : str or callable, default "majority"
        As for `fedlab.voting.vote`.
    tie : str, optional
        The tie policy.
    positive : class value, optional
        The positive class.
    options : mapping, optional
        The rule's options.
    organisations, sizes, accuracies, class_counts : sequences, optional
        As for `fedlab.voting.cast_ballots`; they go before what cards say.
    validation : tuple (X, y), optional
        Rows of known class, for rules that learn from them; the models are asked about them. Where there is none, `fit`
        keeps the rows it is given for this.
    abstain_below : float, optional
        The least margin of a verdict that stands.
    abstain_as : class value, optional
        What `predict` says where the vote abstains. By default it refuses, since no class is right there.
    one_hot : bool, default False
        Give a model without ``predict_proba`` probability one for what it predicts, where the rule needs probabilities.
    extra : {"refuse", "ignore"}, default "refuse"
        What to do about a column that a model was not fitted on.
    n_jobs : int, default 1
        How many models to ask at a time, in threads. The answer is the same.

    Attributes
    ----------
    classes_ : array (n_classes,)
        The union of the models' classes.
    organisations_ : tuple of str
        Whose models they are.
    n_features_in_, feature_names_in_ : int, array
        Of the first model that says so.

    Notes
    -----
    It is fitted from the start: `fit` checks what it is given and learns nothing, but for the rows that a rule learns
    from. ``sklearn.base.clone`` keeps the models. Each is asked about distinct records only, in blocks.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> X = np.array([[0.0], [1.0]])
    >>> models = [DecisionTreeClassifier().fit(X, y) for y in (["a", "b"], ["a", "b"], ["b", "c"])]
    >>> VotingEnsemble(models).predict_proba(X).round(2).tolist()
    [[0.67, 0.33, 0.0], [0.0, 0.67, 0.33]]
    """

    def __init__(
        self,
        models: Sequence[Any],
        rule: Any = "majority",
        tie: str | None = None,
        positive: Any = None,
        options: Mapping[str, Any] | None = None,
        organisations: Sequence[str] | None = None,
        sizes: Any = None,
        accuracies: Any = None,
        class_counts: Any = None,
        validation: Any = None,
        abstain_below: float | None = None,
        abstain_as: Any = None,
        one_hot: bool = False,
        extra: str = "refuse",
        n_jobs: int = 1,
    ) -> None:
        self.models = models
        self.rule = rule
        self.tie = tie
        self.positive = positive
        self.options = options
        self.organisations = organisations
        self.sizes = sizes
        self.accuracies = accuracies
        self.class_counts = class_counts
        self.validation = validation
        self.abstain_below = abstain_below
        self.abstain_as = abstain_as
        self.one_hot = one_hot
        self.extra = extra
        self.n_jobs = n_jobs

    @classmethod
    def from_dir(
        cls, folder: Path | str, trust_pickle: bool = False, trusted: Sequence[str] = (), **parameters: Any
    ) -> "VotingEnsemble":
        """Read all model files of a folder, in the order of their part numbers.

        Parameters
        ----------
        folder : Path or str
            Where model files and cards stand.
        trust_pickle, trusted
            As for `fedlab.exchange.load_models`.
        **parameters
            The ensemble's other parameters.

        Returns
        -------
        VotingEnsemble
            With names, sizes, accuracies and class counts from the cards.
        """
        from fedlab.exchange import load_models

        loaded = load_models(folder, trust_pickle, trusted)
        return cls([model for model, _ in loaded], **{**Members.of(loaded).beside, **parameters})

    def fit(self, X: Any, y: Any) -> "VotingEnsemble":
        """Check that the models can be asked about these rows; keep them where the rule learns from rows.

        Parameters
        ----------
        X, y : DataFrame or array (n_rows, n_features), array (n_rows,)
            Rows and their classes.

        Returns
        -------
        VotingEnsemble
            Itself.
        """
        find_rule(self.rule).check(self.options or {}, self.tie)
        X, y = checked_table(X, at_least=1), checked_classes(y)
        if len(X) != len(y):
            raise FedlabError(f"X and y must have equally many rows; got inconsistent {len(X)} and {len(y)}")
        self._ballots(take_rows(X, slice(0, 1)))
        if "validation" in self._needed() and self.validation is None:
            self.validation_ = Validation(self._ballots(X), y, X)
        return self

    def decision(self, X: Any, organisations: Sequence[str] | None = None) -> Verdict:
        """Return the verdict on records: labels, scores, margins, ties and abstentions.

        Parameters
        ----------
        X : DataFrame or array (n_records, n_features)
            The records.
        organisations : sequence of str, optional
            Those that have answered: the vote is among them (`among`).

        Returns
        -------
        Verdict
        """
        if organisations is not None:
            return self.among(organisations).decision(X)
        X = checked_table(X)
        rule = find_rule(self.rule)
        found = None if rule.batch else distinct_rows(X)
        asked = X if found is None else take_rows(X, found.first)
        validation = self._validation()
        size = max(_BLOCK_CELLS // (len(self._members().models) * len(self.classes_)), 1)
        verdicts = []
        for rows in blocks(len(asked), max(len(asked), 1) if rule.batch else size):
            block = take_rows(asked, rows)
            verdicts.append(
                vote(
                    self._ballots(block),
                    self.rule,
                    tie=self.tie,
                    positive=self.positive,
                    validation=validation,
                    X=block if "X" in rule.asks_for else None,
                    abstain_below=self.abstain_below,
                    **(self.options or {}),
                )
            )
        return join_verdicts(verdicts, None if found is None else found.kind)

    def predict(self, X: Any) -> np.ndarray:
        """Return the class of each record, shape (n_records,).

        Raises
        ------
        FedlabError
            If the vote abstains on some and no `abstain_as` was given.
        """
        verdict = self.decision(X)
        if not verdict.abstained.any():
            return verdict.values
        if self.abstain_as is None:
            raise FedlabError(
                f"the vote abstains on {int(verdict.abstained.sum())} of {verdict.n_records} records, and predict must "
                "name a class; give abstain_as= what to say there, a tie policy that decides, or use decision(X)"
            )
        values = verdict.values.copy()
        values[verdict.abstained] = self.abstain_as
        return np.array(values.tolist())

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return each class's share of the support, shape (n_records, n_classes); equal shares where there is none.

        For rules such as ``any`` the greatest share is not always the verdict.

        Raises
        ------
        FedlabError
            If the rule is one of the user's own whose support is no share.
        """
        scores = self.decision(X).scores
        empty = (scores == 0).all(axis=1)
        shares = np.where(empty[:, None], 1 / scores.shape[1], scores)
        if (shares < 0).any() or not np.allclose(shares.sum(axis=1), 1, rtol=0, atol=1e-6):
            raise FedlabError(
                f"rule {self.rule!r} gives support that does not sum to one, so it is no probability; use "
                "decision(X).scores"
            )
        return shares

    def among(self, organisations: Sequence[str]) -> "VotingEnsemble":
        """Return the ensemble of those organisations only: a partial vote over those that have answered.

        Parameters
        ----------
        organisations : sequence of str
            Their names, in any order; the order of the models stays.

        Returns
        -------
        VotingEnsemble

        Raises
        ------
        FedlabError
            If a name is none of the ensemble's, or there is none.
        """
        members = self._members()
        for name in organisations:
            if name not in members.organisations:
                raise unknown_name("organisation", name, members.organisations)
        keep = [number for number, name in enumerate(members.organisations) if name in set(organisations)]
        if not keep:
            raise FedlabError(f"no organisation is left to vote; name at least one of {list(members.organisations)}")
        few = VotingEnsemble(**{**self.get_params(deep=False), **members.take(keep)})
        if hasattr(self, "validation_"):
            known = self.validation_
            few.validation_ = Validation(known.ballots.take_models(keep), known.truth, known.X)
        return few

    def _needed(self) -> tuple[str, ...]:
        return find_rule(self.rule).needed(self.options or {})

    def _ballots(self, X: Any) -> Ballots:
        """Ask all models about records, in columns that they know."""
        members = self._members()
        members.check_columns(list(getattr(X, "columns", [])), self.extra)
        return cast_ballots(
            members.models,
            X,
            members.organisations,
            members.sizes,
            members.accuracies,
            members.class_counts,
            one_hot=self.one_hot,
            n_jobs=self.n_jobs,
            distinct=False,  # the caller has seen to it
        )

    def _validation(self) -> Validation | None:
        """Return the rows that a rule learns from, if any."""
        if self.validation is None:
            return getattr(self, "validation_", None)
        if isinstance(self.validation, Validation):
            return self.validation
        if not isinstance(self.validation, tuple | list) or len(self.validation) != 2:
            raise FedlabError(f"validation must be (X, y): rows of known class; got {type(self.validation).__name__}")
        X, y = checked_table(self.validation[0], at_least=1), checked_classes(self.validation[1])
        return Validation(self._ballots(X), y, X)
