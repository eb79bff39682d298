"""Verifying stored runs: what differs is found and told with amounts; stored runs are not touched."""

import base64
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from tests_sweep_stored import stored
from tests_sweep_stubs import HELPERS, STUBS, all_runs, publish, write_notebook

from fedlab.cli import main
from fedlab.files import sha256_file, write_json
from fedlab.sweep.compare import differences
from fedlab.sweep.execute import Outcome
from fedlab.sweep.graph import plan
from fedlab.sweep.params import parse_sweep
from fedlab.sweep.stored import remember, stored_runs
from fedlab.sweep.verify import altered_files, sample


@pytest.fixture
def pair(tmp_path: Path):
    """Give two folders, and a function that writes a file to each and returns what differs."""
    folders = [tmp_path / "was", tmp_path / "now"]
    for folder in folders:
        folder.mkdir()

    def compare(name, was, now, write=lambda path, value: write_json(path, value)):
        for folder, value in zip(folders, (was, now), strict=True):
            write(folder / name, value)
        return differences(*folders)

    return compare


def notebook(*outputs):
    """Return a notebook of one code cell that shows something."""
    return {"cells": [{"cell_type": "markdown"}, {"cell_type": "code", "outputs": list(outputs)}]}


def test_equal_files_do_not_differ_and_seconds_do_not_count(pair):
    """What a run took is never the same; in what it recorded, that is left out."""
    same = {"accuracy": 0.5, "fit_seconds": 1.0}
    assert pair("record.json", same, same | {"fit_seconds": 2.0}) == []
    assert pair("record.json", same, {"accuracy": 0.5}) == []


def test_a_name_that_only_holds_the_word_seconds_counts(pair):
    """Nor is a column of seconds in the records a time that the run took."""
    record = "record.json: seconds_survived 3 -> 4 (+1)"
    assert pair("record.json", {"seconds_survived": 3}, {"seconds_survived": 4}) == [record]
    tables = [pd.DataFrame({"survival_seconds": [1.0, x]}) for x in (2.0, 4.0)]
    assert pair("t.csv", *tables, lambda path, table: table.to_csv(path)) == [
        record,
        "t.csv: survival_seconds: 1 of 2 numbers differ, by 2 at most",
    ]


def test_nothing_and_absent_are_not_the_same(pair):
    """A name with no value is one, and a table's empty column too."""
    assert pair("a.json", {"auc": None, "n": 1}, {"n": 1, "new": None}) == [
        "a.json: auc is not there any more",
        "a.json: new was not there before",
    ]


def test_numbers_differ_by_how_much(pair):
    """In JSON by name; in tables and arrays by count and the greatest difference; a type is a difference too."""
    was, now = {"accuracy": 0.75, "n": 1, "rule": "any"}, {"accuracy": 0.5, "n": 1.0, "rule": "all"}
    assert pair("a.json", was, now) == [
        "a.json: accuracy 0.75 -> 0.5 (-0.25)",
        "a.json: n 1 -> 1.0 (+0)",
        "a.json: rule 'any' -> 'all'",
    ]


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("t.csv", lambda path, x: pd.DataFrame({"p": x}).to_csv(path)),
        ("t.csv.gz", lambda path, x: pd.DataFrame({"p": x}).to_csv(path)),
        ("t.parquet", lambda path, x: pd.DataFrame({"p": x}).to_parquet(path)),
        ("t.npz", lambda path, x: np.savez(path, p=np.array(x))),
    ],
)
def test_tables_and_arrays_are_compared_by_value(pair, name, write):
    """Two of four numbers differ, by an eighth at most; another length is said as such."""
    found = pair(name, [0.0, 0.5, 1.0, 2.0], [0.0, 0.625, 1.0, 1.9375], write)
    assert found == [f"{name}: p: 2 of 4 numbers differ, by 0.125 at most"]
    (found,) = [text for text in pair(name, [0.0, 1.0], [0.0], write) if ": p " in text]
    assert found == f"{name}: p has 2 values -> 1"


def test_other_files_differ_by_their_bytes(pair):
    """A model file of the same length, and a file that only one has."""
    found = pair("m.skops", b"abc", b"abd", lambda path, value: path.write_bytes(value))
    assert found == ["m.skops: 3 bytes -> 3 bytes, not the same"]


def test_notebooks_are_compared_by_what_cells_show(pair):
    """Printed text in whatever pieces, picture bytes, texts without addresses in memory; not metadata."""
    png = [base64.b64encode(bytes(n)).decode() for n in (30, 33)]
    text = {"output_type": "stream", "name": "stdout", "text": ["a\n", "b\n"]}
    cut = [text | {"text": ["a\n"]}, text | {"text": "b\n"}]
    picture = {"output_type": "display_data", "data": {"image/png": png[0], "text/plain": "<A at 0x7f00aabbccdd>"}}
    moved = {"output_type": "display_data", "data": {"image/png": png[0], "text/plain": "<A at 0x7f00aabbcc11>"}}
    assert pair("notebook.ipynb", notebook(text, picture), notebook(*cut, moved) | {"metadata": {"x": 1}}) == []
    other = {"output_type": "display_data", "data": {"image/png": png[1], "text/plain": "<A at 0x7f00aabbccdd>"}}
    assert pair("notebook.ipynb", notebook(text, picture), notebook(text | {"text": "a\nc\n"}, other)) == [
        "notebook.ipynb: image/png of executed code cell 1 differs: 30 bytes -> 33 bytes",
        "notebook.ipynb: text on stdout of executed code cell 1 differs: 'b' -> 'c'",
    ]


def test_a_file_altered_after_the_fact_is_found(stubs, tmp_path):
    """Same size or not, gone or added; untouched runs are whole."""
    publish(all_runs(plan(parse_sweep({"n_shards": 2}), stubs)), tmp_path)
    runs = stored_runs(tmp_path)
    assert len(runs) == 5 and not any(altered_files(run) for run in runs)
    file = runs[0].folder / "partition.json"
    file.write_text(file.read_text().replace("0.5", "0.6"))
    (runs[1].folder / "notebook.ipynb").unlink()
    (runs[2].folder / "more.txt").touch()
    assert [altered_files(run) for run in runs[:4]] == [
        ["partition.json was changed after it was written: its SHA-256 is not that of run.json"],
        ["notebook.ipynb is gone"],
        ["more.txt was added"],
        [],
    ]


def test_the_sample_is_drawn_by_the_seed(stubs):
    """The same for the same seed, without repetition; others for others; no more than there are."""
    runs = all_runs(plan(parse_sweep({"n_shards": [2, 3, 4], "seed": [0, 1, 2]}), stubs))
    first = sample(runs, 6, 0)
    assert first == sample(runs, 6, 0) and len({run.key for run in first}) == 6
    assert first != sample(runs, 6, 1)
    assert sample(runs, 1000, 0) == sample(runs, None, 3) == runs


def snapshot(folder: Path) -> dict[str, tuple[str, int]]:
    """Return content and time of all files of stored runs."""
    files = [path for path in folder.glob("runs/[!.]*/*/**/*") if path.is_file()]
    return {str(path): (sha256_file(path), path.stat().st_mtime_ns) for path in files}


@pytest.mark.slow
def test_verify_runs_again_finds_chance_and_leaves_the_store_alone(stubs, tmp_path):
    """All is the same until a notebook draws by chance or a stored file is altered: exit status 1, and what."""
    params = tmp_path / "small.yaml"
    params.write_text("n_shards: 2\nrule: soft\n")
    parameters, work = STUBS["3_vote.ipynb"]
    chance = f"import random\nif os.path.exists({str(tmp_path / 'chance')!r}): seed = 5 + random.random() / 2"
    drawn = work.replace('made["seed"]', "seed")
    write_notebook(stubs / "3_vote.ipynb", parameters, HELPERS, chance, drawn)
    results = tmp_path / "results"

    def fedlab(*words, exit_code=0):
        done = CliRunner().invoke(main, [*map(str, words), "--results", str(results)])
        assert done.exit_code == exit_code, done.output
        return done.output

    fedlab("sweep", params, "--notebooks", stubs)
    before = snapshot(results / "small")
    said = fedlab("verify", "small", "--all")
    assert said.count("same ") == 6 and "6 of 6 wanted runs" in said and "0 runs altered" in said
    (tmp_path / "chance").touch()
    file = next(results.glob("small/runs/partition/*/partition.json"))
    file.write_text(file.read_text() + " ")
    before[str(file)] = snapshot(results / "small")[str(file)]
    said = fedlab("verify", "small", "--sample", "100", exit_code=1)
    assert "skipped  train/" in said and f"partition/{file.parent.name}, which it reads, is not whole" in said
    assert "differs  vote/" in said and "record.json: accuracy 0.4 -> 5." in said
    assert f"altered  partition/{file.parent.name}" in said and "1 runs altered" in said
    assert snapshot(results / "small") == before
    shutil.rmtree(re.search(r"compare +(\S+)", said).group(1))


def test_nothing_to_verify_is_an_error(stubs, tmp_path):
    """Where no stored run is wanted as things are, success would be a lie."""
    params = tmp_path / "small.yaml"
    params.write_text("n_shards: 2\n")
    folder = tmp_path / "results" / "small"
    publish(all_runs(plan(parse_sweep({"n_shards": 3}), stubs))[:1], folder)
    remember(folder, params, stubs)
    done = CliRunner().invoke(main, ["verify", "small", "--results", str(tmp_path / "results")])
    assert done.exit_code == 2 and "none of the 1 runs" in done.output


def verified(folder: Path, *words: str, code: int = 1) -> str:
    """Return what `fedlab verify` says of a folder, and check its exit status."""
    done = CliRunner().invoke(main, ["verify", folder.name, "--results", str(folder.parent), "--cold", *words])
    assert done.exit_code == code, f"{done.output}{done.exception!r}"
    return done.output


def test_the_command_runs_a_run_again_and_says_what_differs(stubs, tmp_path):
    """A run published with another content than its notebook writes: told, with exit status 1."""
    params = tmp_path / "small.yaml"
    params.write_text("n_shards: 2\n")
    folder = tmp_path / "results" / "small"
    publish(all_runs(plan(parse_sweep({"n_shards": 2}), stubs)), folder)
    remember(folder, params, stubs)
    said = verified(folder, "--sample", "1", "--jobs", "1")
    assert "again    1 of 5 wanted runs" in said and "1 differ" in said
    assert "results.csv is not there" in said


def untouched(monkeypatch) -> None:
    """Let runs that are run again come out as they are stored, without the seconds that kernels take."""
    from fedlab.sweep import verify as module

    monkeypatch.setattr(module, "run_jobs", lambda jobs, *_: (Outcome(job.stage, job.key, 0.0) for job in jobs))
    monkeypatch.setattr(module, "differences", lambda was, now: [])


@pytest.fixture
def whole(stubs, tmp_path, monkeypatch) -> Path:
    """Give the folder of a sweep of which nothing lacks."""
    folder = tmp_path / "results" / "stored"
    folder.parent.mkdir()
    stored(folder, stubs)
    remember(folder, folder.parent / "stored.yaml", stubs)
    untouched(monkeypatch)
    return folder


def test_what_is_wanted_and_not_there_or_not_readable_is_named(whole):
    """A run that was removed and one whose run.json is cut short: each by name, and success is not told."""
    assert "missing" not in verified(whole, code=0)
    gone, cut, *_ = sorted((whole / "runs" / "vote").iterdir())
    shutil.rmtree(gone)
    (cut / "run.json").write_text("{")
    said = verified(whole)
    assert f"missing  vote/{gone.name}: wanted" in said and f"damaged  vote/{cut.name}:" in said
    assert said.count("missing  ") == said.count("damaged  ") == 1


def test_tables_that_are_not_those_of_the_runs_are_told(whole):
    """One number of results.csv edited by hand; a Parquet file deleted."""
    table = whole / "results.csv"
    text = table.read_text()
    table.write_text(text.replace(",0,0.2,", ",0,0.25,", 1))
    assert table.read_text() != text
    (whole / "results.parquet").unlink()
    said = verified(whole)
    assert "results.csv: accuracy: 1 of 8 numbers differ, by 0.05 at most" in said
    assert "results.parquet is not there" in said
