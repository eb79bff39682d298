"""Rules by name, by import path and by function; options, labels and what is refused."""

import numpy as np
import pytest

from fedlab.errors import FedlabError
from fedlab.voting import CERTIFICATES, RULES, TIES, Ballots, Verdict, check_rule, rule_label, rule_options, vote
from fedlab.voting.registry import find_rule

BALLOTS = Ballots(
    labels=[[0, 1], [0, 1], [1, 0]],
    probabilities=[[[0.6, 0.4], [0.2, 0.8]], [[0.55, 0.45], [0.1, 0.9]], [[0, 1], [1, 0]]],
    classes=["a", "b"],
    organisations=["x", "y", "z"],
)

MODULE = '''
"""Rules of a user's own."""
import numpy as np
from fedlab.voting import rule

def powered(ballots, power=2.0):
    """Add up powers."""
    return (ballots.probabilities ** power).sum(axis=0)

def loose(ballots, **options):
    return np.ones((ballots.n_records, ballots.n_classes)) * options.get("scale", 1)

def contrary(ballots, tie, positive, swap=True):
    from fedlab.voting import vote
    from dataclasses import replace
    first = vote(ballots, "majority", tie=tie)
    nobody = np.zeros(ballots.n_records, bool)
    return replace(first, labels=np.full(ballots.n_records, positive), abstained=nobody)

@rule("declared", needs=("sizes",), tie="abstain")
def declared(ballots, strength=1):
    return np.ones((ballots.n_records, ballots.n_classes))

def broken_shape(ballots):
    return np.ones(3)

def broken_value(ballots):
    return np.full((ballots.n_records, ballots.n_classes), np.nan)

def broken_type(ballots):
    return "majority"

def own_verdict(ballots):
    from fedlab.voting import vote
    return vote(ballots.take_records([0]))

def own_good_verdict(ballots):
    from fedlab.voting import vote
    return vote(ballots)

def no_ballots():
    return None

def no_default(ballots, power):
    return None

def positional(ballots, *powers):
    return None

a_number = 3
'''


@pytest.fixture(scope="module", autouse=True)
def _user_module(tmp_path_factory):
    """Put a user's module where it can be imported; taken out of the registry again afterwards."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "voting_user_rules.py").write_text(MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield
    RULES._entries.pop("declared", None)


def test_every_rule_declares_its_contract():
    """Each registered rule has a summary, a formula, a source, known needs and a known tie policy."""
    assert len(list(RULES)) == 30
    for name in RULES:
        rule = RULES.get(name)
        assert rule.name == name
        assert rule.summary.endswith(".")
        assert rule.formula
        assert rule.source
        assert rule.tie in TIES
        assert rule.use.endswith(".")
        assert rule.certificate in CERTIFICATES
        assert set(rule.needs) <= {"labels", "probabilities", "sizes", "accuracies", "class_counts", "validation"}
        assert {*rule.choices, *rule.ranges} <= set(rule.options)
        for option, limits in rule.ranges.items():
            assert limits.allows(rule.options[option])
    additive = {name for name in RULES if RULES.get(name).additive}
    assert additive == {"majority", "soft", "weighted", "log_odds", "log_pool", "prior_corrected", "borda"}


@pytest.mark.parametrize("tie", sorted(TIES))
def test_check_rule_accepts_what_vote_accepts(tie):
    """Good names, options and policies pass without ballots."""
    check_rule("weighted", {"by": "accuracy", "of": "probabilities"}, tie)
    check_rule("voting_user_rules:powered", {"power": 3}, tie)
    check_rule("voting_user_rules:loose", {"whatever": 3}, tie)


@pytest.mark.parametrize(
    ("rule", "options", "tie", "message"),
    [
        ("majorty", {}, None, "rule 'majorty' is not known; did you mean 'majority'"),
        ("weighted", {"bye": "size"}, None, "option 'bye' is not known; did you mean 'by'"),
        ("weighted", {"by": "sise"}, None, "value 'sise' is not known; did you mean 'size'"),
        ("weighted", {"by": ["size"]}, None, r"value \['size'\] is not known"),
        ("majority", {"by": "size"}, None, "'majority' takes no options; got 'by'"),
        ("any", {"positive": 1}, None, "takes no options"),
        ("majority", {}, "lowset", "tie policy 'lowset' is not known; did you mean 'lowest'"),
        ("voting_user_rules:powerd", {}, None, "did you mean 'powered'"),
        ("no_such_module:rule", {}, None, "cannot be imported"),
        ("voting_user_rules:powered", {"powr": 2}, None, "did you mean 'power'"),
        ("voting_user_rules:a_number", {}, None, "is no function"),
        ("voting_user_rules:no_ballots", {}, None, "must take the ballots"),
        ("voting_user_rules:no_default", {}, None, "option 'power' has no default"),
        ("voting_user_rules:positional", {}, None, "cannot be given by name"),
    ],
)
def test_check_rule_and_vote_refuse_the_same(rule, options, tie, message):
    """A wrong word is refused with the nearest right one, before a run and in one."""
    with pytest.raises(FedlabError, match=message):
        check_rule(rule, options, tie)
    if "positive" not in options:  # which vote takes as its own argument
        with pytest.raises(FedlabError, match=message):
            vote(BALLOTS, rule, tie=tie, **options)


def test_options_and_labels():
    """Options come with their defaults; a label shows only what differs from them, in one order."""
    assert rule_options("majority") == {}
    assert rule_options("any") == {}
    assert rule_options("voting_user_rules:powered") == {"power": 2.0}
    assert rule_options("voting_user_rules:contrary") == {"swap": True}
    assert rule_label("weighted") == rule_label("weighted", {"of": "labels", "by": "size"}) == "weighted"
    assert rule_label("weighted", {"of": "probabilities", "by": "accuracy"}) == (
        "weighted(by=accuracy, of=probabilities)"
    )
    assert rule_label("voting_user_rules:powered", {"power": 3}) == "voting_user_rules:powered(power=3)"


def test_own_rule_returning_support():
    """A user's array is the scores; the greatest wins by its lead; options reach the function."""
    verdict = vote(BALLOTS, "voting_user_rules:powered")
    # .36 + .3025 + 0 = .6625 against .16 + .2025 + 1 = 1.3625; .04 + .01 + 1 against .64 + .81 + 0
    assert verdict.scores == pytest.approx(np.array([[0.6625, 1.3625], [1.05, 1.45]]))
    assert verdict.values.tolist() == ["b", "b"]
    assert verdict.margins == pytest.approx([0.7, 0.4])
    linear = vote(BALLOTS, "voting_user_rules:powered", power=1)
    assert linear.scores == pytest.approx(np.array([[1.15, 1.85], [1.3, 1.7]]))


def test_own_rule_as_a_function_and_ties():
    """A function itself is taken; ties in its support follow the policy; nobody answered means no verdict."""

    def level(ballots):
        return np.ones((ballots.n_records, ballots.n_classes), dtype=int)

    assert vote(BALLOTS, level, tie="lowest").values.tolist() == ["a", "a"]
    assert vote(BALLOTS, level, tie="positive").values.tolist() == ["b", "b"]
    assert vote(BALLOTS, level).values.tolist() == ["b", "b"]  # mean probabilities: b on both
    assert rule_label(level) == "level"
    silent = Ballots([[-1, 0]], None, ["a", "b"], ["x"])
    assert vote(silent, level, tie="lowest").labels.tolist() == [-1, 0]


def test_own_rule_returning_a_verdict():
    """A function that asks for tie and positive is given both, and its verdict is taken as it is."""
    verdict = vote(BALLOTS, "voting_user_rules:contrary", tie="lowest", positive="a")
    assert isinstance(verdict, Verdict)
    assert verdict.values.tolist() == ["a", "a"]
    assert vote(BALLOTS, "voting_user_rules:own_good_verdict").values.tolist() == ["a", "b"]
    with pytest.raises(FedlabError, match="makes its own verdict and takes no tie policy"):
        vote(BALLOTS, "voting_user_rules:own_good_verdict", tie="lowest")


def test_own_rule_with_a_declared_contract():
    """A rule registered by its decorator keeps needs and tie policy when named by import path."""
    with pytest.raises(FedlabError, match="'declared' needs sizes"):
        vote(BALLOTS, "voting_user_rules:declared")
    sized = Ballots([[0, 1]], None, ["a", "b"], ["x"], sizes=[1])
    assert vote(sized, "voting_user_rules:declared").abstained.all()
    assert find_rule("declared") is find_rule("voting_user_rules:declared")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken_shape", r"numbers of shape \(n_records, n_classes\) = \(2, 2\).*\(3,\)"),
        ("broken_value", "support nan on record 0"),
        ("broken_type", "must return a Verdict or numbers"),
        ("own_verdict", "verdict on 1 records.*on 2 records"),
    ],
)
def test_own_rules_that_return_nonsense_are_named(name, message):
    """What is no support and no verdict on these ballots is refused by the rule's name."""
    with pytest.raises(FedlabError, match=f"voting_user_rules:{name}.*{message}"):
        vote(BALLOTS, f"voting_user_rules:{name}")
