"""Writes docs/rules.md from the registry of rules, with worked examples reckoned now; `--check` only compares."""

import inspect
import sys
from pathlib import Path
from typing import Any

import numpy as np

from fedlab.voting import CERTIFICATES, RULES, TIES, Ballots, Rule, Validation, vote

PATH = Path(__file__).resolve().parent.parent / "docs/rules.md"
CLASSES = ["cold", "flu", "well"]
NAMES = ["North", "South", "East", "West"]
LABELS = [[1, 0, 2], [1, 1, 2], [0, 2, 2], [0, 2, -1]]
ROWS = [
    [[0.3, 0.7, 0.0], [0.5, 0.4, 0.1], [0.0, 0.2, 0.8]],
    [[0.4, 0.5, 0.1], [0.3, 0.6, 0.1], [0.1, 0.0, 0.9]],
    [[0.6, 0.3, 0.1], [0.1, 0.4, 0.5], [0.2, 0.2, 0.6]],
    [[0.9, 0.1, 0.0], [0.0, 0.2, 0.8], [0.0, 0.0, 0.0]],
]
SIZES = [100, 60, 400, 40]
ACCURACIES = [0.8, 0.7, 0.6, 0.9]
COUNTS = [[30, 40, 30], [10, 20, 30], [300, 50, 50], [15, 15, 10]]
AT = [[0.0], [5.0], [9.0]]
KNOWN = [[0, 1, 2, 1, 2, 0], [0, 1, 2, 1, 1, 0], [0, 0, 2, 2, 2, 0], [1, 1, 2, 2, 2, 0]]
TRUTH = [0, 1, 2, 1, 2, 0]
KNOWN_AT = [[1.0], [2.0], [8.0], [6.0], [10.0], [0.0]]
NEED_WORDS = {
    "labels": "verdicts",
    "probabilities": "probabilities",
    "sizes": "training rows (`sizes`)",
    "accuracies": "local accuracies (`accuracies`)",
    "class_counts": "training rows of each class (`class_counts`)",
    "validation": "validation rows (`validation=`)",
    "X": "features (`X=`)",
}
HEAD = """\
# The rules

Every rule that `vote`, `VotingEnsemble` and params files know, made from their registry by
`python scripts/rules_reference.py` (a test compares). A rule of your own is a function; see `fedlab.voting.vote`.

## The ballots of the examples

Four organisations, three records, three classes. West does not answer on the third record. In each cell: the
organisation's verdict, and its probabilities of {classes}.

{ballots}

Six validation rows are known, at x = {known_at}, of the classes {truth}; the records are at x = {at}.
The organisations' verdicts on them, one line each: {known}.

## Which rule

Start with `soft` where models give probabilities and organisations are alike, with `majority` where they do not. Where
organisations differ in size or class shares, try `weighted` and `prior_corrected`; with validation rows `stacking`;
where some may be hostile, a rule whose certificate is exact and not 0.

## Words

- **Tie**: what happens where several classes lead. {ties}. Every rule's own policy is `probability`.
- **Certificate**: how many hostile organisations, answering as they like, a verdict survives (`certificate`,
  `collective_certificate`, `certified_accuracy`). Where weights are declared by the organisations themselves it is
  refused, or reckoned at the worst declaration.
  Additive rules: by removing the largest gains first, as in A. Levine and S. Feizi, Deep Partition Aggregation (ICLR
  2021), where r poisoned partitions are r hostile organisations here. Related: X. Cao, J. Jia and N. Z. Gong, Provably
  Secure Federated Learning against Malicious Clients (AAAI 2021); W. Wang, A. Levine and S. Feizi, Finite Aggregation
  (ICML 2022); K. Rezaei, K. Banihashem, A. Chegini and S. Feizi, Run-Off Election (ICML 2023: the rule `run_off`).
  `median` and `trimmed_mean`: by order statistics, class by class. r hostile organisations move the middle of one
  class down by r places at most, of another up by as many; a bound, as they seldom can do both.
- **Run-off or plurality**: of two classes the run-off is plurality, with a bound that is lower by up to one where a
  second round may be even. Of ten (digits, forests on 10, 25 and 50 equal shards, five seeds,
  [measured](../benchmarks/results/run_off.md)) it was the less accurate, by .006, .008 and .019, and certified less
  against one hostile organisation, by .006, .005 and .022. It certified more only where many are hostile: .638 against
  .617 at 6 of 25, .307 against .298 at 12 of 50. The gain that its authors report did not show here for few hostile
  ones; their second round reads the scores of deep networks, this one those of small forests.
- Every rule abstains on records that nobody answered, and below a margin with `abstain_below=`.

{table}
"""


def example_ballots() -> tuple[Ballots, Validation]:
    """Return the ballots that all examples use, and their validation rows."""
    ballots = Ballots(
        LABELS, np.array(ROWS), np.array(CLASSES), NAMES, np.array(SIZES), np.array(ACCURACIES), np.array(COUNTS)
    )
    known = np.array(KNOWN)
    rows = np.where(known[:, :, None] == np.arange(3), 0.8, 0.1)
    truth = np.array(CLASSES)[TRUTH]
    return ballots, Validation(Ballots(known, rows, np.array(CLASSES), NAMES), truth, np.array(KNOWN_AT))


def reference() -> str:
    """Return the text of docs/rules.md."""
    rules = [RULES.get(name) for name in RULES]
    head = HEAD.format(
        classes=", ".join(CLASSES),
        ballots=_ballots_table(),
        known_at=", ".join(f"{row[0]:g}" for row in KNOWN_AT),
        at=", ".join(f"{row[0]:g}" for row in AT),
        truth=", ".join(CLASSES[one] for one in TRUTH),
        known="; ".join(
            f"{name} {', '.join(CLASSES[one] for one in row)}" for name, row in zip(NAMES, KNOWN, strict=True)
        ),
        ties=". ".join(f"`{name}`: {text}" for name, text in TIES.items()),
        table=_summary(rules),
    )
    return head + "".join(_section(rule) for rule in rules)


def _ballots_table() -> str:
    lines = [
        "| organisation | training rows | of each class | accuracy | record 1 | record 2 | record 3 |",
        "|---" * 7 + "|",
    ]
    for name, labels, rows, size, accuracy, counts in zip(NAMES, LABELS, ROWS, SIZES, ACCURACIES, COUNTS, strict=True):
        cells = [
            "no answer" if label < 0 else f"{CLASSES[label]} ({', '.join(f'{one:g}' for one in row)})"
            for label, row in zip(labels, rows, strict=True)
        ]
        shown = ", ".join(map(str, counts))
        lines.append(f"| {name} | {size} | {shown} | {accuracy:g} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _summary(rules: list[Rule]) -> str:
    lines = ["| rule | | needs | may abstain | certificate |", "|---|---|---|---|---|"]
    for rule in rules:
        abstains = "yes" if rule.may_abstain else ""
        kind = CERTIFICATES[rule.certificate].split(":")[0]
        lines.append(f"| [`{rule.name}`](#{rule.name}) | {rule.summary} | {_needs(rule)} | {abstains} | {kind} |")
    return "\n".join(lines) + "\n"


def _needs(rule: Rule) -> str:
    needed = [NEED_WORDS[need] for need in rule.needed({})]
    return ", ".join(dict.fromkeys(needed))


def _section(rule: Rule) -> str:
    lines = [
        f"\n## {rule.name}\n",
        f"{_prose(rule)}\n",
        f"- **Formula**: `{rule.formula}`",
        f"- **Source**: {rule.source}",
    ]
    lines.append(f"- **Needs**: {_needs(rule)}")
    lines += [_option(rule, name) for name in rule.options]
    lines.append(f"- **Tie**: `{rule.tie}`, unless told otherwise")
    declared = rule.additive and {"sizes", "accuracies", "class_counts"} & {
        *rule.needs,
        *(need for values in rule.choices.values() for need in values.values()),
    }
    void = "; void where organisations declare what they are weighed by, see above" if declared else ""
    lines.append(f"- **Certificate**: {CERTIFICATES[rule.certificate]}{void}")
    if rule.batch:
        lines.append("- **Batch**: a record's verdict depends on the other records it is voted on with")
    lines += [f"- **When**: {rule.use}", "", _example(rule)]
    return "\n".join(lines) + "\n"


def _prose(rule: Rule) -> str:
    """Return what the docstring says before its sections."""
    text = inspect.getdoc(rule.function) or ""
    for title in ("Parameters", "Examples", "Raises"):
        text = text.split(f"\n{title}\n---")[0]
    return text.strip()


def _option(rule: Rule, name: str) -> str:
    default = rule.options[name]
    shown = f"{default:.3g}" if isinstance(default, float) else f"{default}"
    if name in rule.choices:
        allowed = ", ".join(
            f"`{value}`" + ("" if need == "labels" else f" (needs {NEED_WORDS[need]})")
            for value, need in rule.choices[name].items()
        )
    elif name in rule.ranges:
        allowed = str(rule.ranges[name])
    else:
        allowed = "see above"
    return f"- **Option** `{name}`, by default `{shown}`: {allowed}"


def _example(rule: Rule) -> str:
    """Return the rule's verdicts on the example's ballots."""
    if rule.name in ("glad", "mace"):
        return "No example: crowd-kit, which reckons it, is an extra."
    ballots, validation = example_ballots()
    options: dict[str, Any] = {"k": 3} if rule.name.startswith("knora") else {}
    verdict = vote(ballots, rule.function, validation=validation, X=np.array(AT), **options)
    call = ", ".join([f'"{rule.name}"', *(f"{name}={value}" for name, value in options.items())])
    lines = [f"`vote(ballots, {call})`:", "", "| record | verdict | scores | margin | |", "|---|---|---|---|---|"]
    for number in range(ballots.n_records):
        value = "none" if verdict.abstained[number] else str(verdict.values[number])
        scores = ", ".join(f"{one + 0.0:.3f}" for one in verdict.scores[number])
        tied = "tie" if verdict.tied[number] else ""
        lines.append(f"| {number + 1} | {value} | {scores} | {verdict.margins[number]:.3f} | {tied} |")
    return "\n".join(lines)


def main() -> None:
    """Write the file, or with ``--check`` fail where it differs."""
    if "--check" in sys.argv:
        if not PATH.exists() or PATH.read_text("utf-8") != reference():
            sys.exit("docs/rules.md is not what the registry says; run: python scripts/rules_reference.py")
        return
    PATH.write_text(reference(), "utf-8")


if __name__ == "__main__":
    main()
