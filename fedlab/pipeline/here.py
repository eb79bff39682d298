"""A small sweep made in this process, without a notebook or a store: what figures notebooks show when run alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from fedlab.files import canonical_json
from fedlab.pipeline.shards import PARTITION, make_partition
from fedlab.pipeline.trained import RECIPE, TrainedSet, centralised, train_partition
from fedlab.pipeline.votes import evaluate, set_apart

if TYPE_CHECKING:
    from fedlab.sweep.params import Cell

T = TypeVar("T")


def sweep_here(content: Any, path: Path | str) -> None:
    """Run the cells of a params file's content here, one after the other, and write their results.

    The numbers are those that `fedlab sweep` writes; models and the centralised reference are shared between
    cells in the same way. Nothing is kept but the table: for more than a minute's work, run a sweep.

    Parameters
    ----------
    content : mapping or list
        What a params file would hold (see `fedlab.sweep.params.parse_sweep`).
    path : Path or str
        The CSV file to write; a Parquet file with the same rows stands beside it.

    Raises
    ------
    FedlabError
        For every mistake in the content, and whatever a cell's own stages refuse.
    """
    from fedlab.evidence import certified_columns
    from fedlab.sweep.collect import in_order, parameter_columns
    from fedlab.sweep.params import parse_sweep
    from fedlab.sweep.tidy import write_results
    from fedlab.voting import vote

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        stages = _Stages(Path(folder))
        for cell in parse_sweep(content).cells:
            known, rest = set_apart(stages.trained(cell), cell.validation, cell.seed)
            positive = rest.about["positive"]
            verdict = vote(rest.ballots, cell.rule, cell.tie, positive, validation=known, X=rest.X, **cell.rule_options)
            certified = certified_columns(
                rest.ballots, rest.truth, cell.rule, tie=cell.tie, positive=positive, validation=known,
                **cell.rule_options,
            )  # fmt: skip
            measured = evaluate(rest, stages.central(cell), verdict, cell.n_resamples, cell.seed, certified)
            rows.append(parameter_columns("here", cell) | in_order(measured))
    write_results(rows, path)


class _Stages:
    """What cells are made of, each made once: shards, trained models, the centralised reference."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: dict[str, Any] = {}

    def shards(self, cell: Cell) -> Path:
        """Return the folder of a cell's shards."""
        asked = cell.model_dump(include=set(PARTITION)) | cell.scheme_options

        def make(folder: Path) -> Path:
            make_partition(folder, **asked)
            return folder

        return self._once({"shards": asked}, make)

    def trained(self, cell: Cell) -> TrainedSet:
        """Return the models of a cell's shards."""
        shards, recipe = self.shards(cell), cell.model_dump(include=set(RECIPE))
        return self._once({"of": str(shards), "recipe": recipe}, lambda to: train_partition(to, shards, **recipe))

    def central(self, cell: Cell) -> TrainedSet:
        """Return the centralised reference: of all cells of these records, or of one cell's faulty records."""
        trained = self.trained(cell)
        asked = cell.model_dump(include={"data", "holdout", "seed", *RECIPE})
        own = {"of": str(self.shards(cell))} if cell.quality else {}
        return self._once({"central": asked, **own}, lambda to: centralised(trained, to))

    def _once(self, asked: dict[str, Any], make: Callable[[Path], T]) -> T:
        """Return what ``make`` gives in a folder of its own, made at the first call for what is asked."""
        key = canonical_json(asked)
        if key not in self.made:
            self.made[key] = make(self.folder / str(len(self.made)))
        return cast(T, self.made[key])
