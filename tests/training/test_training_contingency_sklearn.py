"""scikit-learn's own checks of an estimator, on the contingency forest."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from fedlab.training import ContingencyForestClassifier


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [ContingencyForestClassifier(5), ContingencyForestClassifier(5, bootstrap=False, distinct="always")]
)
def test_scikit_learn_accepts_it(estimator, check):
    """Every check of scikit-learn's holds, that of weights as counts included."""
    check(estimator)
