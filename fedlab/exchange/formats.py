"""The formats of model files: how an estimator becomes bytes, the same ones each time, and comes back."""

import io
import json
import pickle
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from fedlab.errors import FedlabError, unknown_name
from fedlab.exchange.canonical import canonical_zip
from fedlab.exchange.structure import check_structure
from fedlab.files import atomic_path
from fedlab.registry import Registry

FORMATS: Registry[Any] = Registry("format")

# Types that models need beyond what skops itself allows. skops leaves the trees out because their node
# numbers are followed without a bounds check; `check_structure` makes that check after loading, before
# anything predicts.
SAFE_TYPES = (
    "fedlab.training.constant.ConstantClassifier",
    "functools.partial",  # the function that it binds is checked by its own name
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    "sklearn.utils.validation.check_array",
)


class Format(ABC):
    """One way to write an estimator into a file. Subclass it and register an instance to add a format.

    Attributes
    ----------
    name, suffix : str
        Name in cards and sweep files; how its files end.
    executes_code : bool
        Whether reading a file runs code that its writer chose.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    executes_code: ClassVar[bool] = True

    @abstractmethod
    def to_bytes(self, estimator: Any) -> bytes:
        """Return the estimator as bytes; the same bytes for the same estimator."""

    @abstractmethod
    def from_bytes(self, data: bytes, source: str, trusted: Sequence[str]) -> Any:
        """Return the estimator that the bytes hold; `source` names them in error messages."""

    def write(self, estimator: Any, path: Path | str) -> None:
        """Write an estimator into a file, atomically."""
        data = self.to_bytes(estimator)
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)

    def read(self, path: Path | str, trust_pickle: bool = False, trusted: Sequence[str] = ()) -> Any:
        """Read an estimator from a file (see `decode`)."""
        return self.decode(Path(path).read_bytes(), str(path), trust_pickle, trusted)

    def decode(self, data: bytes, source: str, trust_pickle: bool = False, trusted: Sequence[str] = ()) -> Any:
        """Turn the bytes of a model file into an estimator, as far as the caller trusts them.

        Parameters
        ----------
        data : bytes
            What the file holds.
        source : str
            The file, for error messages.
        trust_pickle : bool, default False
            Whether to read a format that executes code.
        trusted : sequence of str
            Import paths of types to allow beyond skops' own and `SAFE_TYPES`.

        Returns
        -------
        estimator
            The fitted estimator.

        Raises
        ------
        FedlabError
            If the format executes code and is not trusted, a type is not allowed, or the bytes are damaged.
        """
        if self.executes_code and not trust_pickle:
            raise FedlabError(
                f"model file {source} is in format {self.name!r}: a pickle executes code, whatever its hash "
                "says, so it is not loaded. If you trust whoever made this file, pass trust_pickle=True; "
                "otherwise ask the organisation for format 'skops'"
            )
        try:
            estimator = self.from_bytes(data, source, trusted)
        except FedlabError:
            raise
        except Exception as error:  # damaged bytes can fail anywhere inside the library that reads them
            raise FedlabError(
                f"model file {source} cannot be read as {self.name!r} ({type(error).__name__}: {error}); "
                "ask the organisation for the file again, or compare its versions in the card with yours"
            ) from error
        check_structure(estimator, source)
        return estimator


class Skops(Format):
    """The default: arrays and plain JSON in a zip; only known types are built, no code of the file runs."""

    name = "skops"
    suffix = ".skops"
    executes_code = False

    def to_bytes(self, estimator: Any) -> bytes:
        """Return skops' zip in canonical form: skops itself numbers its parts by memory addresses."""
        from skops.io import dumps

        return canonical_zip(dumps(estimator))

    def from_bytes(self, data: bytes, source: str, trusted: Sequence[str]) -> Any:
        """Check all types that the file names, then build the estimator."""
        from skops.io import get_untrusted_types, loads

        allowed = [*SAFE_TYPES, *trusted]
        try:
            unknown = [name for name in get_untrusted_types(data=data) if name not in allowed]
        except (zipfile.BadZipFile, json.JSONDecodeError, KeyError) as error:
            raise FedlabError(
                f"model file {source} is not a skops file ({error}); ask the organisation for the file again"
            ) from error
        if unknown:
            listed = ", ".join(repr(name) for name in unknown)
            raise FedlabError(
                f"model file {source} holds types that are not known to be safe: {listed}. Look at what "
                f"they are; if you trust them and the file, pass trusted=[{listed}]"
            )
        # Only what the file holds and was found allowed: a user's type may live in a module that is not
        # installed.
        return loads(data, trusted=allowed)


class Pickle(Format):
    """Python's own pickle. Whoever made the file runs code on the reader's machine."""

    name = "pkl"
    suffix = ".pkl"

    def to_bytes(self, estimator: Any) -> bytes:
        """Return the pickle, in a fixed protocol."""
        return pickle.dumps(estimator, protocol=5)

    def from_bytes(self, data: bytes, source: str, trusted: Sequence[str]) -> Any:
        """Unpickle."""
        return pickle.loads(data)


class Joblib(Format):
    """joblib's pickle, compressed. Whoever made the file runs code on the reader's machine."""

    name = "joblib"
    suffix = ".joblib"

    def to_bytes(self, estimator: Any) -> bytes:
        """Return joblib's dump, zlib-compressed."""
        import joblib

        buffer = io.BytesIO()
        joblib.dump(estimator, buffer, compress=("zlib", 3), protocol=5)
        return buffer.getvalue()

    def from_bytes(self, data: bytes, source: str, trusted: Sequence[str]) -> Any:
        """Load joblib's dump."""
        import joblib

        return joblib.load(io.BytesIO(data))


for _format in (Skops(), Pickle(), Joblib()):
    FORMATS.register(_format.name)(_format)


def format_of(path: Path | str) -> Format:
    """Return the registered format that a model file's suffix stands for.

    Examples
    --------
    >>> format_of("random_forest_model_part1.joblib").name
    'joblib'
    """
    suffix = Path(path).suffix
    for name in FORMATS:
        if FORMATS.get(name).suffix == suffix:
            return FORMATS.get(name)
    raise unknown_name(f"model file {str(path)!r}: suffix", suffix, [FORMATS.get(name).suffix for name in FORMATS])
