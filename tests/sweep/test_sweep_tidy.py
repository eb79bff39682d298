"""Tidy results: one type per column, texts that look like missing marks, conflicts, the same bytes in any order."""

import csv
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_sweep_stored import PARAMS, executed, measured, store, stored, stored_plan

from fedlab.cli import main
from fedlab.errors import FedlabError
from fedlab.evidence import read_results
from fedlab.files import read_json, sha256_file
from fedlab.sweep import report
from fedlab.sweep.collect import collect
from fedlab.sweep.execute import Outcome
from fedlab.sweep.failures import failures, note_failure
from fedlab.sweep.params import read_sweep
from fedlab.sweep.store import RunStore
from fedlab.sweep.tidy import typed_columns, write_results

ROW = {"n_shards": 2, "rule": "any", "seed": 0, "accuracy": 0.5}
TEXTS = ["nan", "None", "NA", "N/A", "null", "", "1", "01", "True", "inf", "a,b", 'say "x"', "two\nlines", "ä"]


def test_texts_that_look_missing_or_like_numbers_survive(tmp_path):
    """Each comes back as the text that it was; what was None is missing; in the file itself too."""
    rows = [ROW | {"note": text, "seed": number} for number, text in enumerate([*TEXTS, None])]
    write_results(rows, tmp_path / "results.csv")
    for path in (tmp_path, tmp_path / "results.csv", tmp_path / "results.parquet"):
        note = read_results(path)["note"]
        assert note.tolist()[:-1] == TEXTS and note.isna().tolist() == [False] * len(TEXTS) + [True]


def test_the_csv_alone_keeps_texts_in_columns_of_texts(tmp_path):
    """Without the Parquet, or with one of another moment, only an empty field is missing."""
    rows = [ROW | {"rule": text, "seed": number} for number, text in enumerate(["nan", "NA", "None", "1"])]
    write_results(rows, tmp_path / "results.csv")
    text = (tmp_path / "results.csv").read_text()
    (tmp_path / "results.csv").write_text(text.replace("0.5", "0.75"))
    assert read_results(tmp_path)["accuracy"].tolist() == [0.75] * 4
    (tmp_path / "results.parquet").unlink()
    found = read_results(tmp_path / "results.csv")
    assert found["rule"].tolist() == ["nan", "NA", "None", "1"] and found["accuracy"].tolist() == [0.75] * 4


def test_the_csv_alone_keeps_line_ends_and_quotes(tmp_path):
    """A text with any line end or quote comes back as it was, its row whole, and numbers stay numbers."""
    texts = ["a\rb", "\r", "a\r\nb", "\n", '"', '\r"x",', "plain", None]
    rows = [ROW | {"note": text, "seed": number, "few": None if number else 1} for number, text in enumerate(texts)]
    write_results(rows, tmp_path / "results.csv")
    (tmp_path / "results.parquet").unlink()
    found = read_results(tmp_path)
    assert found["note"].tolist()[:-1] == texts[:-1] and found["note"].isna().tolist() == [False] * 7 + [True]
    assert found["seed"].tolist() == list(range(8)) and found["few"].tolist()[0] == 1 and found["few"].count() == 1
    with (tmp_path / "results.csv").open(newline="") as file:
        assert [row[4] for row in csv.reader(file)] == ["note", *texts[:-1], ""]


def test_a_parquet_file_that_is_none_does_not_hide_the_csv(tmp_path):
    """A file cut short beside it counts for nothing; asked for itself it is an error."""
    write_results([ROW], tmp_path / "results.csv")
    (tmp_path / "results.parquet").write_bytes(b"PAR1")
    assert len(read_results(tmp_path)) == 1
    with pytest.raises(FedlabError, match="cannot be read"):
        read_results(tmp_path / "results.parquet")


@pytest.mark.parametrize("asked", ["none", "", "results.csv", "results.parquet"])
def test_a_folder_without_results_is_told_with_what_to_give(tmp_path, asked):
    """A folder that is none, one without results, a file that is missing: which file, what to give, what makes it."""
    with pytest.raises(FedlabError, match=r"results/quick, or its results\.csv; `fedlab sweep` makes it") as error:
        read_results(tmp_path / asked)
    assert str(tmp_path / asked) in str(error.value) and "Errno" not in str(error.value)


def test_each_column_has_the_one_type_of_its_values(tmp_path):
    """int and float are float, None changes no type, a parameter of two kinds is text, no value is a double."""
    one = {"n": 1, "x": 1, "flag": True, "alpha": 0.5, "gone": None, "big": 2**70, "few": 3}
    two = {"n": 2, "x": 0.25, "flag": None, "alpha": '{"js":0.2}', "gone": None, "big": 1, "few": None}
    write_results([ROW | one, ROW | two], tmp_path / "results.csv")
    schema = pyarrow.parquet.read_schema(tmp_path / "results.parquet")
    kinds = {name: str(schema.field(name).type) for name in one}
    assert kinds == {
        "n": "int64", "x": "double", "flag": "bool", "alpha": "string", "gone": "double", "big": "string",
        "few": "int64",
    }  # fmt: skip
    lines = (tmp_path / "results.csv").read_text().splitlines()
    assert lines[1].endswith("1,1.0,True,0.5,,1180591620717411303424,3")
    assert lines[2].endswith('2,0.25,,"{""js"":0.2}",,1,')


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=6),
)  # fmt: skip


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.lists(st.lists(scalars, min_size=3, max_size=3), min_size=1, max_size=5))
def test_any_rows_read_back_as_they_were_typed(tmp_path_factory, rows):
    """The Parquet file holds, value for value, what the columns' types make of the rows."""
    folder = tmp_path_factory.mktemp("rows")
    rows = [dict(zip("abc", row, strict=True)) for row in rows]
    write_results(rows, folder / "results.csv")
    table = pyarrow.parquet.read_table(folder / "results.parquet")
    for name, (_, values) in typed_columns(rows).items():
        assert table.column(name).to_pylist() == values


def test_the_csv_is_what_pandas_writes_of_the_rows(tmp_path):
    """For rows of one type per column the bytes are those that they have always been."""
    rows = [ROW | {"scheme": "iid", "roc_auc": None}, ROW | {"scheme": "iid", "roc_auc": 1 / 3}]
    write_results(rows, tmp_path / "results.csv")
    assert (tmp_path / "results.csv").read_text() == pd.DataFrame(rows).to_csv(index=False, lineterminator="\n")


def test_tables_have_the_same_bytes_in_whatever_order_runs_end(tmp_path, stubs):
    """CSV and Parquet, of folders whose runs were published in other orders and collected twice."""
    found = set()
    for shuffle in range(3):
        folder = tmp_path / str(shuffle) / "stored"
        folder.parent.mkdir()
        made = stored_plan(folder, stubs)
        store(made, folder, shuffle=shuffle, results=lambda cell: measured(cell) | {"votes": np.arange(cell.seed + 2)})
        collect(made, folder)
        collect(made, folder)
        found.add((sha256_file(folder / "results.csv"), sha256_file(folder / "results.parquet")))
    assert len(found) == 1
    table = read_results(folder)
    assert table["accuracy"].tolist() == [n / 10 + s / 7 for n in (2, 3) for _ in "as" for s in (0, 1)]
    assert np.load(folder / table["votes"][1]).tolist() == [0, 1, 2]
    listed = read_json(folder / "sweep.json")
    assert listed["cells"] == [path.split("/")[2] for path in table["votes"]]


def test_a_conflict_names_both_runs_and_loses_no_other_column(tmp_path, stubs):
    """A number in one run, a text in another: runs, types, values and a remedy; figures of earlier results go."""
    folder = tmp_path / "stored"
    made = stored_plan(folder, stubs)
    store(made, folder, lambda cell: measured(cell) | {"level": "high" if cell.seed else 3, "own": cell.n_shards})
    (folder / "report.html").write_text("of other results")
    with pytest.raises(FedlabError) as error:
        collect(made, folder)
    said = str(error.value)
    assert f"vote/{made.votes[0].key}" in said and f"vote/{made.votes[1].key}" in said
    assert "level is recorded as int (3) in" in said and "text ('high') in" in said and "two names" in said
    assert "rule=any" in said and "seed=0" in said and "seed=1" in said and "8 cells" in said
    table = read_results(folder)
    assert "level" not in table.columns and table["own"].tolist() == [2] * 4 + [3] * 4
    assert not (folder / "report.html").exists() and (folder / "sweep.json").is_file()


def test_a_record_with_a_parameters_name_is_told_and_left_out(tmp_path, stubs):
    """The parameter stays; the rest is there."""
    folder = tmp_path / "stored"
    made = stored_plan(folder, stubs)
    store(made, folder, lambda cell: measured(cell) | {"rule": "other", "mine": 1.5})
    with pytest.raises(FedlabError, match=r"3_vote\.ipynb records rule, the name of a parameter; rename it"):
        collect(made, folder)
    table = read_results(folder)
    assert set(table["rule"]) == {"any", "soft"} and table["mine"].tolist() == [1.5] * 8


def test_ints_and_floats_of_different_runs_are_floats(tmp_path, stubs):
    """No conflict: 1 in one run and 0.5 in another."""
    folder = stored(
        tmp_path / "stored", stubs, results=lambda cell: measured(cell) | {"share": 1 if cell.seed else 0.5}
    )
    assert read_results(folder)["share"].tolist() == [0.5, 1.0] * 4


def test_a_sweep_that_finds_all_runs_changes_no_byte_of_its_manifest(tmp_path, stubs, monkeypatch):
    """The time stays that of the last change; a run more is a change."""
    from fedlab.sweep import manifest

    folder = tmp_path / "stored"
    made = stored_plan(folder, stubs)
    store(made, folder, failed=lambda cell: cell.seed == 1)
    collect(made, folder)
    before = (folder / "sweep.json").read_bytes()
    states = [run["state"] for run in read_json(folder / "sweep.json")["runs"] if run["stage"] == "vote"]
    assert states.count("done") == 4 and states.count("failed") == 4

    class Later(manifest.datetime):
        @classmethod
        def now(cls, tz=None):
            return super().now(tz).replace(year=2099)

    monkeypatch.setattr(manifest, "datetime", Later)
    collect(made, folder)
    assert (folder / "sweep.json").read_bytes() == before
    store(made, folder)
    collect(made, folder)
    assert read_json(folder / "sweep.json")["written"].startswith("2099")
    assert (folder / "params.yaml").read_text() == made.sweep.text


def test_the_manifest_tells_no_folder_of_this_machine(tmp_path, stubs):
    """A data file is told by its name."""
    (tmp_path / "own.csv").write_text("i,a,y\n" + "".join(f"{n},{n % 7},{n % 2}\n" for n in range(40)))
    text = "name: stored\ndata: {path: own.csv, id: i, target: y}\nn_shards: 2\n"
    folder = stored(tmp_path / "stored", stubs, text)
    said = (folder / "sweep.json").read_text()
    assert str(tmp_path) not in said and '"path": "own.csv"' in said


def test_the_manifest_tells_the_cause_that_the_run_was_given(tmp_path, stubs):
    """A run ended at its deadline leaves a notebook with a KeyboardInterrupt, which is not why it failed."""
    folder = tmp_path / "stored"
    made = stored_plan(folder, stubs)
    store(made, folder, failed=lambda cell: cell.seed == 1)
    for vote in made.votes:
        (folder / "failed" / f"vote-{vote.key}.ipynb").write_text(
            json.dumps(executed("while True: pass", error=("KeyboardInterrupt", "")))
        )
    held = RunStore(folder)
    told = "the run was not done after 2 seconds, its deadline; it was ended in cell 1 (while True: pass)"
    for failed in failures(held):
        note_failure(held, replace(failed, error=told))
    collect(made, folder)
    runs = [run for run in read_json(folder / "sweep.json")["runs"] if run["state"] == "failed"]
    assert len(runs) == 4 and {run["error"] for run in runs} == {told}
    assert all((folder / run["traceback"]).is_file() for run in runs)


def test_the_figures_run_has_the_deadline_of_the_sweep(tmp_path, stubs, monkeypatch):
    """That of the command, else that of the params file; that it failed is kept and told, until it is drawn."""
    folder = stored(tmp_path / "stored", stubs, PARAMS + "deadline: 7\n")
    sweep = read_sweep(tmp_path / "stored.yaml")
    limits = []

    def late(jobs, *_):
        limits.append(jobs[0].deadline)
        yield Outcome("figures", jobs[0].key, 7.0, "its deadline")

    monkeypatch.setattr(report, "run_jobs", late)
    for deadline in (None, 3.0):
        assert report.draw_figures(sweep, folder, stubs, deadline=deadline).error == "its deadline"
    assert limits == [7, 3]
    assert read_json(folder / "sweep.json")["drawn"]["error"] == "its deadline"
    assert [failed.stage for failed in failures(RunStore(folder))] == ["figures"]


@pytest.mark.slow
def test_tables_of_one_and_of_two_jobs_are_the_same_bytes(tmp_path, stubs):
    """A real sweep of stub notebooks: CSV and Parquet; a second call finds all and changes no byte."""
    params = tmp_path / "small.yaml"
    params.write_text("n_shards: [2, 3]\nrule: [any, soft]\n")
    found = set()
    for jobs in ("1", "2"):
        words = ["sweep", str(params), "--notebooks", str(stubs), "--results", str(tmp_path / jobs), "--jobs", jobs]
        names = ("results.csv", "results.parquet", "params.yaml", "sweep.json", "report.html")
        files = [tmp_path / jobs / "small" / name for name in names]
        read = []
        for _ in range(2):
            done = CliRunner().invoke(main, words)
            assert done.exit_code == 0, done.output
            read.append([file.read_bytes() for file in files])
        assert read[0] == read[1]
        found.add(tuple(read[0][:3]))
    assert len(found) == 1
