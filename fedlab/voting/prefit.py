"""What any classifier over fitted models says of itself to scikit-learn: classes, features, that it is fitted."""

from typing import Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.voting.casting import own_classes
from fedlab.voting.classes import union_of_classes
from fedlab.voting.members import Members, as_members


class Prefit:
    """The attributes that scikit-learn looks for in a fitted classifier, read off the models given."""

    models: Any
    organisations: Any
    sizes: Any
    accuracies: Any
    class_counts: Any

    @property
    def classes_(self) -> np.ndarray:
        """The union of the models' classes."""
        members = self._members()
        pairs = [(m, name) for m, name in zip(members.models, members.organisations, strict=True) if m is not None]
        if not pairs:
            raise FedlabError("no organisation has answered: every model is None; wait for at least one")
        return union_of_classes([own_classes(model, name) for model, name in pairs], [name for _, name in pairs])

    @property
    def organisations_(self) -> tuple[str, ...]:
        """Whose models they are."""
        return self._members().organisations

    @property
    def n_features_in_(self) -> int:
        """How many features the first model takes that says so."""
        return int(self._first("n_features_in_"))

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Which features the first model takes that says so."""
        return self._first("feature_names_in_")

    def _first(self, name: str) -> Any:
        for model in self._members().models:
            if hasattr(model, name):
                return getattr(model, name)
        raise AttributeError(f"no model has {name}")

    def _members(self) -> Members:
        """Return the models, read from their files once, and what is known about them."""
        beside = (self.organisations, self.sizes, self.accuracies, self.class_counts)
        given = (self.models, *beside)
        known = self.__dict__.get("_known")
        if known is None or any(old is not new for old, new in zip(known[0], given, strict=True)):
            known = (given, as_members(self.models, *beside))
            self.__dict__["_known"] = known
        return known[1]

    def __sklearn_clone__(self) -> Any:
        """Keep the fitted models: a copy without them would be worth nothing."""
        twin = type(self)(**self.get_params(deep=False))  # type: ignore[attr-defined]
        if "_known" in self.__dict__:  # model files are read once
            twin.__dict__["_known"] = self.__dict__["_known"]
        return twin

    def __sklearn_is_fitted__(self) -> bool:
        """Say that it is fitted from the start."""
        return True

    def __sklearn_tags__(self) -> Any:
        """Say that features are whatever the models take."""
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.classifier_tags.poor_score = True
        tags.requires_fit = False
        return tags


def checked_table(X: Any, at_least: int = 0) -> Any:
    """Return records as a DataFrame or a two-dimensional array; gaps and text are left to the models.

    Raises
    ------
    TypeError, ValueError
        scikit-learn's own errors: sparse, complex, not two-dimensional, or too few rows.
    """
    from sklearn.utils import check_array

    if hasattr(X, "columns") and hasattr(X, "iloc") and len(X) >= at_least:
        return X
    return check_array(X, dtype=None, ensure_all_finite=False, ensure_min_samples=at_least, estimator="VotingEnsemble")


def checked_classes(y: Any) -> np.ndarray:
    """Return true classes as an array of one dimension.

    Raises
    ------
    ValueError
        scikit-learn's own errors: no classes, not one for each row, or missing.
    """
    from sklearn.utils import assert_all_finite
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import column_or_1d

    if y is None:
        raise ValueError("VotingEnsemble requires y to be passed, but the target y is None")
    y = column_or_1d(y, warn=True)
    assert_all_finite(y, input_name="y")
    check_classification_targets(y)
    return y
