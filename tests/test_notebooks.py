"""The notebooks: alone with their defaults, one after the other by hand, and the same numbers as in-process."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import papermill
import pytest
import yaml

from fedlab.evidence import certified_columns, decision_guide, read_results
from fedlab.files import read_json
from fedlab.pipeline.results import results_of_vote, with_parameters
from fedlab.pipeline.shards import make_partition
from fedlab.pipeline.trained import centralised, train_partition
from fedlab.pipeline.votes import evaluate
from fedlab.sweep.keys import notebook_parameters
from fedlab.voting import RULES, vote

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
PIPELINE = sorted(NOTEBOOKS.glob("*.ipynb"))
ALL = sorted(NOTEBOOKS.rglob("*.ipynb"))


def run(name: str, folder: Path, **parameters):
    """Execute a notebook with papermill in a folder of its own, as a user does by hand."""
    output = folder / f"out_{Path(name).name}"
    return papermill.execute_notebook(
        str(NOTEBOOKS / name), str(output), parameters=parameters, cwd=str(folder), progress_bar=False
    )


def printed(notebook) -> str:
    """Return all that a notebook's cells printed."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


@pytest.mark.slow
@pytest.mark.parametrize("name", [path.name for path in PIPELINE])
def test_each_notebook_runs_alone_with_its_defaults(name, tmp_path):
    """In an empty folder, with nothing made before: it makes what it needs and says so."""
    done = run(name, tmp_path)
    made = {path.name for path in (tmp_path / "results" / "by_hand").rglob("*")}
    assert {"1": "partition.json", "2": "trained.json", "3": "record.json", "4": "captions.json"}[name[0]] in made
    if name[0] in "234":
        assert "making a small sweep" in printed(done) or "no " in printed(done)


@pytest.mark.slow
def test_the_notebooks_run_one_after_the_other_by_hand(tmp_path):
    """Parameters as papermill's command line gives them; each stage finds the one before; numbers as in-process."""
    run("1_partition.ipynb", tmp_path, n_shards=3, scheme="dirichlet", alpha=0.5, seed=7)
    assert (tmp_path / "results/by_hand/partition/data_part3.csv").exists()
    run("2_train.ipynb", tmp_path, model='{"name": "random_forest", "n_estimators": 5}')
    run("3_vote.ipynb", tmp_path, rule="weighted", rule_options={"by": "accuracy"}, n_resamples=50)
    last = run("4_figures.ipynb", tmp_path)
    assert "1 cells: 1 rules, shard counts [3]" in printed(last)

    here = tmp_path / "here"
    make_partition(here / "shards", n_shards=3, scheme="dirichlet", alpha=0.5, seed=7)
    trained = train_partition(here / "trained", here / "shards", model={"name": "random_forest", "n_estimators": 5})
    verdict = vote(trained.ballots, "weighted", by="accuracy", positive=1)
    certified = certified_columns(trained.ballots, trained.truth, "weighted", by="accuracy")
    measured = evaluate(trained, centralised(trained, here / "central"), verdict, 50, 0, certified)
    assert read_json(tmp_path / "results/by_hand/vote/record.json") == measured
    row = pd.read_csv(tmp_path / "results/by_hand/vote/results.csv").iloc[0]
    assert (row["scheme"], row["alpha"], row["rule"], row["seed"]) == ("dirichlet", 0.5, "weighted(by=accuracy)", 7)
    noted = trained.about["made_from"]
    expected = with_parameters(noted, measured, rule="weighted", rule_options={"by": "accuracy"})
    assert list(row.index) == list(expected)


@pytest.mark.slow
def test_a_sweep_gives_the_same_bytes_for_any_number_of_jobs(tmp_path):
    """results.csv, figures and model files of 1 and of 3 jobs are equal byte by byte, and as made here."""
    params = tmp_path / "both.yaml"
    params.write_text(
        "n_shards: [2, 3]\nrule: [any, soft]\nn_resamples: 50\nmodel: {name: random_forest, n_estimators: 5}"
    )
    for jobs in ("1", "3"):
        words = [sys.executable, "-m", "fedlab.cli", "sweep", str(params), "--jobs", jobs]
        words += ["--results", str(tmp_path / jobs), "--notebooks", str(NOTEBOOKS)]
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    one, three = ({path.relative_to(tmp_path / jobs): path for path in _kept(tmp_path / jobs)} for jobs in ("1", "3"))
    assert one.keys() == three.keys() and len(one) > 20
    assert [name for name in one if one[name].read_bytes() != three[name].read_bytes()] == []

    table = pd.read_csv(tmp_path / "1/both/results.csv")
    make_partition(tmp_path / "shards", n_shards=3)
    trained = train_partition(
        tmp_path / "trained", tmp_path / "shards", model={"name": "random_forest", "n_estimators": 5}
    )
    measured = evaluate(
        trained, centralised(trained, tmp_path / "central"), vote(trained.ballots, "soft"), n_resamples=50, seed=0
    )
    row = table[(table["n_shards"] == 3) & (table["rule"] == "soft")].iloc[0]
    for name in ("accuracy", "roc_auc", "centralised_accuracy", "pooled_trees_accuracy", "difference_accuracy_low"):
        assert row[name] == measured[name], name


def _kept(folder: Path) -> list[Path]:
    """Return the files of a sweep whose bytes must not depend on the run: tables, figures, models, shards."""
    patterns = ("results.*", "figures/*", "runs/*/*/*.csv", "runs/*/*/models/*", "runs/*/*/*.npz", "runs/*/*/*.gz")
    return sorted(path for pattern in patterns for path in (folder / "both").glob(pattern))


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name)
def test_notebooks_keep_the_house_habits(path):
    """A title first, a parameters cell of at most 12 commented lines, no outputs, no long function."""
    cells = json.loads(path.read_text())["cells"]
    assert cells[0]["cell_type"] == "markdown" and "".join(cells[0]["source"]).startswith("# ")
    tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    assert len(tagged) == 1
    lines = "".join(tagged[0]["source"]).splitlines()
    assert len(lines) <= 12 and all("  # " in line for line in lines)
    assert len(notebook_parameters(path)) == len(lines)
    assert not any(cell.get("outputs") for cell in cells)
    assert not any(line.startswith("def ") for cell in cells for line in cell["source"])


@pytest.mark.slow
def test_the_four_hospitals_give_a_table_with_every_rule(fedlab_data, tmp_path):
    """hospitals.yaml with one seed: hospitals by name, each rule measured, central training beside."""
    text = (NOTEBOOKS.parent / "params" / "hospitals.yaml").read_text()
    params = tmp_path / "hospitals.yaml"
    params.write_text(re.sub(r"(?m)^seed: .*$", "seed: 0\nn_resamples: 100", text))
    words = [sys.executable, "-m", "fedlab.cli", "sweep", str(params), "--notebooks", str(NOTEBOOKS)]
    done = subprocess.run([*words, "--results", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    table = pd.read_csv(tmp_path / "hospitals/results.csv")
    assert len(table) == 9 and set(table["n_shards"]) == {4} and table["centralised_accuracy"].notna().all()
    assert {"majority", "soft", "median", "any", "unanimous", "weighted", "weighted(by=accuracy)"} == set(table["rule"])
    hospitals = ["cleveland", "hungary", "long-beach", "switzerland"]
    assert json.loads(table["organisations"][0]) == hospitals and table["n_holdout"][0] == 276
    assert "loses" in (tmp_path / "hospitals/report.html").read_text()


@pytest.mark.slow
def test_parameters_may_come_as_json_text(tmp_path):
    """papermill's command line passes lists and mappings as texts."""
    run("1_partition.ipynb", tmp_path, scheme="quantity", fractions="[0.7, 0.3]", n_shards=2)
    weights = '{"name": "random_forest", "n_estimators": 3, "class_weight": {"0": 1, "1": 5}}'
    run("2_train.ipynb", tmp_path, model=weights)
    run("3_vote.ipynb", tmp_path, rule="weighted", rule_options='{"by": "accuracy"}', n_resamples=10)
    assert (tmp_path / "results/by_hand/vote/record.json").exists()


@pytest.mark.slow
def test_quality_and_validation_by_hand_are_the_sweep_s(tmp_path):
    """The notebooks one after the other give the numbers of the sweep's cell: same rows learnt from, same reference."""
    noise = {"kind": "label_noise", "probability": [0.0, 0.4]}
    params = tmp_path / "noisy.yaml"
    forest = {"name": "random_forest", "n_estimators": 3}
    content = {"n_shards": 2, "quality": noise, "validation": 0.3, "rule": "stacking", "n_resamples": 10}
    params.write_text(json.dumps(content | {"model": forest}))
    words = [sys.executable, "-m", "fedlab.cli", "sweep", str(params), "--notebooks", str(NOTEBOOKS)]
    done = subprocess.run([*words, "--results", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    row = pd.read_csv(tmp_path / "noisy/results.csv").iloc[0]

    run("1_partition.ipynb", tmp_path, n_shards=2, quality=noise)
    run("2_train.ipynb", tmp_path, model=forest)
    run("3_vote.ipynb", tmp_path, rule="stacking", validation=0.3, n_resamples=10)
    by_hand = results_of_vote(tmp_path / "results/by_hand/vote")
    assert row["quality"] == by_hand["quality"] and row["validation"] == by_hand["validation"] == 0.3
    assert row["n_holdout"] == by_hand["n_holdout"] == 228
    for name in ("accuracy", "roc_auc", "centralised_accuracy", "centralised_roc_auc", "difference_accuracy_low"):
        assert row[name] == by_hand[name], name


@pytest.mark.slow
def test_the_rules_notebook_runs_alone(tmp_path):
    """In an empty folder it makes a small sweep of every rule without extras, and draws and tells."""
    done = run("experiments/rules.ipynb", tmp_path)
    made = tmp_path / "results/by_hand/rules"
    table = read_results(made / "results.csv")
    assert {label.partition("(")[0] for label in table["rule"]} == set(RULES) - {"glad", "mace"}
    assert table["data"].nunique() == 2
    assert {"iid", "dirichlet"} == set(table["scheme"]) and "making a small sweep" in printed(done)
    assert sorted(path.name for path in (made / "figures").iterdir()) == [
        "critical_difference.png",
        "critical_difference.svg",
    ]
    assert list(read_json(made / "captions.json")) == ["critical_difference"]
    shown = "".join(
        str(output["data"].get("text/markdown", ""))
        for cell in done.cells
        for output in cell.get("outputs", [])
        if "data" in output
    )
    assert all(sentence in shown for sentence in decision_guide(table))


@pytest.mark.slow
def test_a_sweep_draws_its_figures_by_a_notebook_in_a_subfolder(tmp_path):
    """``figures: experiments/rules.ipynb`` of a params file: figure and report are made by that notebook."""
    (tmp_path / "few.yaml").write_text(
        "figures: experiments/rules.ipynb\nscheme: [iid, {name: dirichlet, alpha: 0.5}]\nn_shards: 3\n"
        "rule: [any, soft, majority]\nn_resamples: 20\nmodel: {name: random_forest, n_estimators: 3}\n"
    )
    words = [sys.executable, "-m", "fedlab.cli", "sweep", str(tmp_path / "few.yaml"), "--notebooks", str(NOTEBOOKS)]
    done = subprocess.run([*words, "--results", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "few/figures/critical_difference.svg").is_file()
    page = (tmp_path / "few/report.html").read_text()
    assert "Compared: 3 rules by accuracy" in page and "3_vote.ipynb" not in page


def test_every_rule_is_in_the_sweep_of_all_rules():
    """params/rules.yaml names each registered rule but those of crowd-kit, and hospitals, IID and skew."""
    content = yaml.safe_load((NOTEBOOKS.parent / "params/rules.yaml").read_text())
    named = {rule if isinstance(rule, str) else rule["name"] for rule in content["rule"]}
    assert named == set(RULES) - {"glad", "mace"}
    assert (NOTEBOOKS / content["figures"]).is_file()
    schemes = yaml.safe_dump([block["scheme"] for block in content["blocks"]])
    assert all(scheme in schemes for scheme in ("iid", "dirichlet", "site"))
