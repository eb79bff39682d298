"""The model of an organisation whose training rows hold one class only: it always answers with that class."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data


class ConstantClassifier(ClassifierMixin, BaseEstimator):
    """Answer every record with one class, whatever its features.

    Many classifiers refuse rows of a single class, and scikit-learn's own ones differ in what they then do.
    This one learns the class and nothing else; features may be of any kind. Fitted on several classes it
    answers with the most common one (the lowest at a tie), with probability one.

    Attributes
    ----------
    classes_ : ndarray
        The classes seen: of length one in fedlab's use.
    constant_ : object
        The class it answers with.

    Examples
    --------
    >>> import numpy as np
    >>> model = ConstantClassifier().fit(np.zeros((3, 2)), np.array(["yes", "yes", "yes"]))
    >>> model.predict(np.zeros((2, 2))), model.predict_proba(np.zeros((2, 2)))
    (array(['yes', 'yes'], dtype='<U3'), array([[1.],
           [1.]]))
    """

    def fit(self, X: Any, y: Any) -> "ConstantClassifier":
        """Learn the one class.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Only its shape and column names are kept.
        y : array-like of shape (n_rows,)
            The classes.

        Returns
        -------
        ConstantClassifier
            Itself.
        """
        X, y = validate_data(self, X, y, dtype=None, ensure_all_finite=False)
        check_classification_targets(y)
        self.classes_, counts = np.unique(y, return_counts=True)
        self.constant_ = self.classes_[np.argmax(counts)]
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the one class for each row, shape (n_rows,)."""
        shares = self.predict_proba(X)
        return self.classes_[np.argmax(shares, axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return one for the class and zero for all others, shape (n_rows, n_classes)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=None, ensure_all_finite=False, reset=False)
        share = (self.classes_ == self.constant_).astype(float)
        return np.tile(share, (X.shape[0], 1))

    def __sklearn_tags__(self) -> Any:
        """Say that any features will do, and that a good score is not to be expected."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.classifier_tags.poor_score = True
        return tags
