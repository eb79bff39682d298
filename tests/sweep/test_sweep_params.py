"""Params files: what they expand to, and that every mistake is found before a kernel starts."""

import datetime
from pathlib import Path

import numpy as np
import pytest

from fedlab.errors import FedlabError
from fedlab.sweep.params import Cell, parse_sweep, read_sweep

DATE = datetime.date(2020, 1, 1)
PARAMS = Path(__file__).parents[2] / "params"


def test_lists_span_a_grid_in_the_order_of_the_file():
    """Two lists of 2 and 3 give 6 cells; the last key varies fastest."""
    sweep = parse_sweep({"n_shards": [2, 4], "rule": "soft", "seed": [0, 1, 2]})
    assert [(cell.n_shards, cell.seed) for cell in sweep.cells] == [(n, s) for n in (2, 4) for s in (0, 1, 2)]


def test_blocks_fill_in_shared_keys_and_drop_repetitions():
    """A cell that two blocks give is there once; keys beside the blocks hold in each."""
    blocks = [{"n_shards": [2, 4]}, {"n_shards": [4, 8]}]
    sweep = parse_sweep({"rule": "soft", "blocks": blocks})
    assert [cell.n_shards for cell in sweep.cells] == [2, 4, 8]
    assert {cell.rule for cell in sweep.cells} == {"soft"}


def test_a_bare_list_is_a_list_of_blocks():
    """A file that is a list of mappings means its blocks."""
    assert len(parse_sweep([{"n_shards": 2}, {"n_shards": [3, 4]}]).cells) == 3


def test_exclude_leaves_out_matching_points_only():
    """An entry matches where all its keys do; a list in it means any of its values."""
    sweep = parse_sweep(
        {
            "n_shards": [2, 4, 8],
            "rule": ["any", {"name": "weighted", "by": "size"}],
            "exclude": [{"rule": "any", "n_shards": [4, 8]}, {"rule": "weighted", "n_shards": 2}],
        }
    )
    assert [(cell.n_shards, cell.rule) for cell in sweep.cells] == [(2, "any"), (4, "weighted"), (8, "weighted")]


def test_options_of_a_scheme_concern_its_cells_only():
    """alpha spans the grid for dirichlet; iid has each point once."""
    sweep = parse_sweep({"scheme": ["iid", "dirichlet"], "alpha": [0.1, 1.0], "n_shards": 2})
    found = [(cell.scheme, cell.scheme_options.get("alpha")) for cell in sweep.cells]
    assert found == [("iid", None), ("dirichlet", 0.1), ("dirichlet", 1.0)]


def test_a_list_of_numbers_is_one_value_of_a_list_valued_option():
    """fractions is one split; a list of lists is an axis."""
    one = parse_sweep({"scheme": "quantity", "fractions": [0.7, 0.3]})
    assert one.cells[0].scheme_options["fractions"] == [0.7, 0.3]
    two = parse_sweep({"scheme": "quantity", "fractions": [[0.7, 0.3], [0.5, 0.5]]})
    assert len(two.cells) == 2


def test_mappings_name_scheme_and_rule_with_options():
    """{name: …, option: …} is the same as the name with its options."""
    cell = parse_sweep(
        {"scheme": {"name": "dirichlet", "alpha": 0.3}, "rule": {"name": "weighted", "by": "accuracy"}, "n_shards": 3}
    ).cells[0]
    assert (cell.scheme, cell.scheme_options["alpha"]) == ("dirichlet", 0.3)
    assert (cell.rule, cell.rule_options) == ("weighted", {"by": "accuracy"})


@pytest.mark.parametrize("value", [2, 2.0, np.int64(2), np.float64(2)])
def test_whole_numbers_are_alike_however_written(value):
    """1, 1.0 and numpy's 1 are the same number where a whole one is meant."""
    cell = parse_sweep({"n_shards": [value]}).cells[0]
    assert cell == parse_sweep({"n_shards": 2}).cells[0]
    assert type(cell.n_shards) is int


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"n_shard": 4}, "did you mean 'n_shards'"),
        ({"n_shards": 2, "rule": "majorty"}, "did you mean 'majority'"),
        ({"n_shards": 2, "scheme": "dirichet"}, "did you mean 'dirichlet'"),
        ({"n_shards": 2, "model": "random_forst"}, "did you mean 'random_forest'"),
        ({"n_shards": 2, "format": "skop"}, "did you mean 'skops'"),
        ({"n_shards": 2, "tie": "lowst"}, "did you mean 'lowest'"),
        ({"n_shards": 0}, "greater than or equal to 1"),
        ({"n_shards": "many"}, "n_shards is 'many'"),
        ({"n_shards": 2.5}, "n_shards is 2.5"),
        ({"n_shards": 2, "holdout": 1.0}, "holdout is 1.0"),
        ({"n_shards": 2, "holdout": 0}, "holdout is 0"),
        ({"n_shards": 2, "seed": -1}, "seed is -1"),
        ({"n_shards": 2, "scheme": "dirichlet", "alpha": 0}, "alpha must be"),
        ({"n_shards": 2, "scheme": "dirichlet", "alpha": -1.5}, "alpha must be"),
        ({"n_shards": 2, "alpha": 0.5}, "no scheme here takes it"),
        ({"n_shards": 2, "rule": {"name": "weighted", "bye": "size"}}, "did you mean 'by'"),
        ({"n_shards": 2, "model": {"class": "sklearn.ensemble.RandomForestClassifier", "n_tree": 3}}, "n_tree"),
        ({"n_shards": 2, "model": {"class": "sklearn.linear_model.LinearRegression"}}, "regressor"),
        ({"n_shards": 2, "rule": "nomodule_here:rule"}, "cannot be imported"),
        ({"n_shards": []}, "empty list"),
        ({"n_shards": 2, "exclude": [{"n_shards": 2}]}, "no cell is left"),
        ({"n_shards": 2, "exclude": [{"n_shrds": 2}]}, "did you mean 'n_shards'"),
        ({"n_shards": 2, "exclude": "any"}, "must be a list of mappings"),
        ({"blocks": []}, "must be a list of mappings"),
        ({"n_shards": 2, "name": "../evil"}, "cannot name a folder"),
        ({"n_shards": True}, "without quotes"),
        ({"n_shards": "4"}, "without quotes"),
        ({"n_shards": 2, "seed": True}, "without quotes"),
        ({"n_shards": 2, "random_state": 2**32}, "random_state is 4294967296"),
        ({"n_shards": 2, "exclude": [{"rule": "sotf"}]}, "matches no cell"),
        ({"n_shards": 2, "title": 5}, "title is 5"),
        ({"n_shards": 2, "rule_options": "abc"}, "must be a mapping"),
        ({"n_shards": 2, "scheme": [["iid"]]}, "give a name"),
        ({"n_shards": 2, "scheme": {"name": "dirichlet", "alpha": 0.3}, "alpha": 0.5}, "given twice"),
        ({"n_shards": 2, "data": {"path": 5, "id": "a", "target": "b"}}, "path is 5"),
        ({"n_shards": 2, "data": {"path": "a.csv", "id": 1, "target": "b"}}, "id is 1"),
        ({"n_shards": 2, "data": {"path": "a.csv", "id": "a", "target": "b", "positive": DATE}}, "in quotes"),
        ({"n_shards": 2, "blocks": [{"name": "x"}]}, "belongs at the top"),
        ({"n_shards": 2, "rule": "soft", "model": "sklearn.linear_model.RidgeClassifier"}, "needs probabilities"),
        ("n_shards", "must be a mapping"),
        (None, "holds nothing"),
    ],
)
def test_mistakes_are_named_with_what_is_allowed(content, said):
    """Unknown keys and names get a suggestion; values and types say what is allowed."""
    with pytest.raises(FedlabError, match=said.replace("[", r"\[")):
        parse_sweep(content)


def test_all_mistakes_come_in_one_message():
    """One reading of the file tells everything that is wrong with it."""
    with pytest.raises(FedlabError) as caught:
        parse_sweep({"n_shards": [0, 2], "rule": ["majorty", "soft"], "holdout": 0.2})
    assert "majorty" in str(caught.value) and "n_shards is 0" in str(caught.value)


def test_unreadable_files_are_named(tmp_path):
    """A file that is missing or no YAML is an error with its path."""
    with pytest.raises(FedlabError, match=r"gone\.yaml cannot be read"):
        read_sweep(tmp_path / "gone.yaml")
    bad = tmp_path / "bad.yaml"
    bad.write_text("n_shards: [2, 4\n")
    with pytest.raises(FedlabError, match=r"bad\.yaml is not valid YAML"):
        read_sweep(bad)


@pytest.mark.parametrize("path", sorted(PARAMS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_params_files_of_the_project_are_valid(path):
    """Each is read, is named after its file, and says what it asks."""
    sweep = read_sweep(path)
    assert sweep.name == path.stem and sweep.title and sweep.cells


def test_every_field_of_a_cell_is_documented():
    """The docstring names each key that a params file may have."""
    described = [line.strip() for line in Cell.__doc__.splitlines()]
    assert all(any(line.startswith(f"{name} : ") for line in described) for name in Cell.model_fields)


def test_what_is_written_in_two_ways_is_one_cell():
    """Defaults written out, a bare name in a mapping, 1 and 1.0: the same cells."""
    one = parse_sweep({"scheme": "dirichlet", "n_shards": 2, "rule": "weighted"}).cells
    content = {
        "scheme": "dirichlet",
        "alpha": [0.5],
        "n_shards": [2, 2.0],
        "rule": ["weighted", {"name": "weighted", "by": "size"}],
        "data": ["nhefs", {"name": "nhefs"}, '{"name": "nhefs"}'],
        "model": ["random_forest", {"name": "random_forest"}],
    }
    assert parse_sweep(content).cells == one
    assert one[0].scheme_options == {"alpha": 0.5}


def test_exclude_sees_defaults_and_only_what_concerns_a_cell():
    """A default that is not written can be excluded; alpha does not concern iid."""
    content = {"n_shards": [2, 4], "exclude": [{"scheme": "iid", "n_shards": 4}]}
    assert [cell.n_shards for cell in parse_sweep(content).cells] == [2]
    content = {"scheme": ["iid", "dirichlet"], "alpha": 0.1, "n_shards": [2, 8]}
    cells = parse_sweep(content | {"exclude": [{"alpha": 0.1, "n_shards": 8}]}).cells
    assert [(cell.scheme, cell.n_shards) for cell in cells] == [("iid", 2), ("iid", 8), ("dirichlet", 2)]


def test_a_key_that_stands_twice_is_an_error(tmp_path):
    """Plain YAML lets the last one win without a word."""
    path = tmp_path / "twice.yaml"
    path.write_text("n_shards: 2\nseed: 0\nseed: [1, 2]\n")
    with pytest.raises(FedlabError, match="'seed' stands in line 2 and in line 3"):
        read_sweep(path)


def test_quality_is_an_axis_and_has_one_spelling():
    """A list of one fault is the fault; null is none; several faults at once are a list in the list."""
    noise, gaps = {"kind": "label_noise", "probability": 0.1}, {"kind": "missingness", "probability": [0, 0.5]}
    sweep = parse_sweep({"n_shards": 2, "quality": [None, noise, [noise], [noise, gaps]]})
    assert [cell.quality for cell in sweep.cells] == [None, noise, [noise, gaps]]
    assert parse_sweep({"n_shards": 2, "quality": noise}).cells[0].quality == noise
    left = parse_sweep({"n_shards": 2, "quality": [None, noise], "exclude": [{"quality": noise}]})
    assert [cell.quality for cell in left.cells] == [None]


def test_rules_that_learn_need_validation_rows():
    """Without a share set apart they are refused before any kernel; with one they are cells like any other."""
    with pytest.raises(FedlabError, match=r"'stacking' learns from validation rows.*validation: 0\.3"):
        parse_sweep({"n_shards": 2, "rule": ["majority", "stacking"]})
    sweep = parse_sweep({"n_shards": 2, "rule": ["majority", "stacking", "knora_e"], "validation": 0.3})
    assert {cell.validation for cell in sweep.cells} == {0.3}
    for wrong in (1, -0.1, "0.3"):
        with pytest.raises(FedlabError, match="validation is"):
            parse_sweep({"n_shards": 2, "validation": wrong})
