"""Splitting a table larger than memory: two passes over the file, memory that does not grow with its rows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from fedlab.errors import FedlabError, unknown_name
from fedlab.files import write_json
from fedlab.partition import store
from fedlab.partition.checks import whole_number
from fedlab.partition.dealer import Dealer
from fedlab.partition.quotas import refuse_unstreamed
from fedlab.partition.registry import check_options
from fedlab.partition.sinks import LineSinks, TableSinks, all_or_nothing
from fedlab.partition.streamed_meta import describe
from fedlab.records import Schema, conversion
from fedlab.records.blocks import BLOCK_BYTES, Watch
from fedlab.records.scan import Scan

Progress = Callable[[str, float], None]


def stream_partition(
    path: Path | str,
    schema: Schema,
    out_dir: Path | str,
    scheme: str = "iid",
    n_shards: int | None = None,
    holdout: float = 0.2,
    min_rows: int = 2,
    seed: int = 0,
    format: str = "csv",
    block_bytes: int = BLOCK_BYTES,
    progress: Progress | None = None,
    **options: Any,
) -> store.Partition:
    r"""Split a CSV or Parquet file over organisations without ever holding it in memory.

    The first pass checks the rows as `read_table` does and counts them by class and site. From the counts alone
    it is decided how many rows of each class every shard and the holdout get: exactly, repaired up to `min_rows`
    as in `split_records`. The second pass deals the rows: a row's number within its class goes through a keyed
    permutation, and where it lands says whose it is. So every row is in exactly one shard or the holdout, shuffled,
    with the sizes that were decided; shards keep the order of the file.

    The result is a partition as `write_partition` writes it. Rows of CSV are copied as they stand in the file
    (only the line ends become line feeds) if the shards are CSV too. The same file, options and seed give the
    same bytes, whatever the size of the blocks; but not the rows that `split_records` draws from that seed.

    Parameters
    ----------
    path : Path or str
        A ``.csv``, ``.csv.gz`` or ``.parquet`` file.
    schema : Schema
        The roles of its columns. A `group` does not stream.
    out_dir : Path or str
        The folder; it is created.
    scheme : str
        One that needs no more than counts: ``iid``, ``stratified``, ``quantity``, ``linear``, ``square``,
        ``exponential``, ``lognormal``, ``dirichlet_sizes``, ``sizes``, ``dirichlet``, ``site``.
    n_shards, holdout, min_rows, seed
        As for `split_records`.
    format : {"csv", "csv.gz", "parquet"}
        What to write the rows as.
    block_bytes : int
        About how many bytes of the file are held at a time.
    progress : callable, optional
        Called with ``"reading"`` or ``"writing"`` and the share of the file that is done.
    **options
        The options of the scheme.

    Returns
    -------
    Partition
        Its ``meta`` lacks the skew of features, which would take a third pass, and has ``streamed``: True.

    Raises
    ------
    FedlabError
        As `read_table`, `split_records` and `write_partition`, and if the disk is full. Nothing half done is left.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "my.csv").write_text("id,age,ill\n" + "".join(f"{i},{i % 9},{i % 2}\n" for i in range(50)))
    >>> partition = stream_partition(folder / "my.csv", Schema("id", ["age"], "ill"), folder / "parts", n_shards=4)
    >>> [partition.shard(number).n_rows for number in range(4)], partition.holdout().n_rows
    ([10, 10, 10, 10], 10)
    """
    refuse_unstreamed(scheme, options)
    complete = check_options(scheme, options)
    min_rows, seed = whole_number("min_rows", min_rows, 1), whole_number("seed", seed, 0)
    n_shards = None if n_shards is None else whole_number("n_shards", n_shards, 1)
    if format not in store.FORMATS:
        raise unknown_name("format of shards", format, store.FORMATS)
    if schema.group is not None:
        raise FedlabError(
            f"rows of one {schema.group!r} must stay together, which does not stream; use the in-memory way "
            "(fedlab partition --in-memory), or a schema without group"
        )
    column = _site_column(schema, scheme, complete)
    roles = {schema.target: "class"} | {name: "site" for name in (schema.site, column) if name is not None}
    scan = Scan(path, schema, roles, format != "parquet", block_bytes, _watching(progress, "reading"))
    dealer = Dealer(scan, column, scheme, complete, n_shards, holdout, min_rows, seed)
    folder = Path(out_dir)
    names = [f"data_part{number + 1}.{format}" for number in range(dealer.n_shards)]
    names += [f"holdout.{format}"] if dealer.n_held else []
    if scan.path.resolve().parent == folder.resolve() and store.FILE_NAME.fullmatch(scan.path.name):
        raise FedlabError(
            f"{scan.path}: the file to split is itself named like a shard in {folder}; choose another out"
        )
    store.make_room(folder, names)
    paths = [folder / name for name in names]
    with all_or_nothing(folder, paths):
        written = _write(scan, dealer, paths, format, _watching(progress, "writing"))
        meta = describe(scan, dealer, format, names, written)
        write_json(folder / store.META, meta)
    (folder / store.JOURNAL).unlink()
    return store.Partition(folder, meta)


def _site_column(schema: Schema, scheme: str, options: dict[str, Any]) -> str | None:
    """Return the column whose values are the organisations, for the scheme `site` alone."""
    if scheme != "site":
        return None
    column = options["column"] or schema.site
    if column is None:
        raise FedlabError(
            "scheme 'site' needs a column that names the site; name one as the site of the schema, or as option column"
        )
    return column


def _watching(progress: Progress | None, phase: str) -> Watch | None:
    return None if progress is None else lambda share: progress(phase, share)


def _write(scan: Scan, dealer: Dealer, paths: list[Path], format: str, watch: Watch | None) -> list[dict[str, Any]]:
    """Deal the rows to their files; return bytes and SHA-256 of each."""
    as_table = format == "parquet"
    sinks: Any = (
        TableSinks(paths, conversion.table_schema(scan), scan.n_bytes / scan.n_rows)
        if as_table
        else LineSinks(paths, conversion.csv_header(scan))
    )
    with closing(sinks):
        for block in scan.blocks(watch):
            shards = dealer.deal(scan.codes(block))
            rows = conversion.typed_table(scan, block) if as_table else conversion.csv_lines(scan, block)
            sinks.add(rows, shards)
        return sinks.finish()
