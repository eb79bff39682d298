"""One organisation's work: choose a model, split, fit, score; never two organisations' rows at once."""

from typing import Any

from fedlab.training.compact import compact_model
from fedlab.training.constant import ConstantClassifier
from fedlab.training.local import Trained, train_organisation
from fedlab.training.models import MODELS, build_model, check_model, model_types
from fedlab.training.organisations import describe_models, train_all
from fedlab.training.pooling import PooledForest, pool_trees
from fedlab.training.prepare import prepare

__all__ = [
    "MODELS",
    "ConstantClassifier",
    "ContingencyForestClassifier",
    "PooledForest",
    "Trained",
    "build_model",
    "check_model",
    "compact_model",
    "describe_models",
    "model_types",
    "pool_trees",
    "prepare",
    "train_all",
    "train_organisation",
]


def __getattr__(name: str) -> Any:
    """Import the contingency forest where it is asked for: scikit-learn's ensembles take their time."""
    if name == "ContingencyForestClassifier":
        from fedlab.training.contingency_forest import ContingencyForestClassifier

        return ContingencyForestClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
