"""Forests grown on counts, and compact ones, leave as ONNX like any forest of scikit-learn."""

import numpy as np
import pandas as pd
import pytest

from fedlab.training import ContingencyForestClassifier, compact_model


@pytest.mark.parametrize("compact", [None, "exact", "pruned"])
@pytest.mark.filterwarnings("ignore")
def test_onnxruntime_gives_the_same_answers(compact):
    """Converted by skl2onnx and run by onnxruntime: the same classes, probabilities to 32-bit rounding."""
    onnxruntime = pytest.importorskip("onnxruntime")
    skl2onnx = pytest.importorskip("skl2onnx")
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.integers(20, 90, 3000), "pressure": rng.integers(90, 190, 3000)})
    y = np.where(X.age + rng.normal(0, 25, len(X)) > 60, "ill", "well")
    forest = ContingencyForestClassifier(10, random_state=0).fit(X, y)
    assert forest.grown_on_ == "distinct rows"
    plain = forest.to_random_forest()
    if compact:
        plain, _ = compact_model(plain, compact, X[:500], y[:500])
    given = X.to_numpy(dtype=np.float32)
    model = skl2onnx.to_onnx(plain, given[:1], options={id(plain): {"zipmap": False}})
    labels, probabilities = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"X": given})
    expected = plain.predict_proba(X)
    assert probabilities == pytest.approx(expected, abs=1e-5)
    clear = np.abs(expected[:, 0] - 0.5) > 1e-5
    assert (labels[clear] == plain.predict(X)[clear]).all()
