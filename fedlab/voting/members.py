"""The members of an ensemble: fitted models or model files, and what is known about each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fedlab.errors import FedlabError, unknown_name


@dataclass(frozen=True, eq=False)
class Members:
    """Models and what `cast_ballots` takes beside them; None for what is not known of all of them."""

    models: list[Any]
    organisations: tuple[str, ...]
    sizes: Any = None
    accuracies: Any = None
    class_counts: Any = None

    @classmethod
    def of(cls, loaded: Sequence[tuple[Any, Any]]) -> "Members":
        """Return the members that loaded model files and their cards make."""
        cards = [card for _, card in loaded]
        return cls(
            [model for model, _ in loaded],
            tuple(card.organisation for card in cards),
            [card.n_rows for card in cards],
            [np.nan if card.scores is None else card.scores.accuracy for card in cards],
            [card.class_counts for card in cards],
        )

    @property
    def beside(self) -> dict[str, Any]:
        """What is known beside the models, by name."""
        return {
            "organisations": list(self.organisations),
            "sizes": self.sizes,
            "accuracies": self.accuracies,
            "class_counts": self.class_counts,
        }

    def take(self, numbers: Sequence[int]) -> dict[str, Any]:
        """Return models and what is beside them for some members only, by name."""
        every = {"models": self.models, **self.beside}
        return {name: None if values is None else [values[n] for n in numbers] for name, values in every.items()}

    def check_columns(self, columns: Sequence[str], extra: str = "refuse") -> None:
        """Refuse a column that a model was not fitted on, unless it is to be ignored."""
        if extra not in ("refuse", "ignore"):
            raise unknown_name("extra", extra, ["refuse", "ignore"])
        if extra == "ignore":
            return
        for model, name in zip(self.models, self.organisations, strict=True):
            known: Any = getattr(model, "feature_names_in_", None)
            new = [] if known is None else [column for column in columns if column not in set(known)]
            if new:
                raise FedlabError(
                    f"organisation {name!r}: its model was not fitted on column {new[0]!r}; it knows "
                    f"{', '.join(map(repr, list(known)[:20]))}; drop the column, or give extra='ignore'"
                )


def as_members(models: Any, organisations: Any, sizes: Any, accuracies: Any, class_counts: Any) -> Members:
    """Return the members that an ensemble was given; model files are read.

    Raises
    ------
    FedlabError
        If there is no model, or something is not given once for each.
    """
    if isinstance(models, str | Path) or not hasattr(models, "__len__") or not len(models):
        raise FedlabError(
            f"models must be a sequence of at least one fitted classifier or model file; got {models!r}; for a "
            "folder of "
            "model files use VotingEnsemble.from_dir"
        )
    given = {"organisations": organisations, "sizes": sizes, "accuracies": accuracies, "class_counts": class_counts}
    for name, values in given.items():
        if values is not None and len(values) != len(models):
            raise FedlabError(f"{name} must hold one entry for each of {len(models)} models; got {len(values)}")
    paths = [isinstance(model, str | Path) for model in models]
    if any(paths) and not all(paths):
        raise FedlabError("models must be all fitted classifiers or all paths of model files; load the files first")
    if all(paths):
        from fedlab.exchange import load_model

        found = Members.of([load_model(path) for path in models])
        given = {name: found.beside[name] if values is None else values for name, values in given.items()}
        models = found.models
    names: Any = given["organisations"]
    if names is None:
        names = [f"organisation {number + 1}" for number in range(len(models))]
    return Members(list(models), tuple(map(str, names)), given["sizes"], given["accuracies"], given["class_counts"])
