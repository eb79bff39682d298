"""Fetching the two UCI archives: from FEDLAB_DATA, else downloaded once; the content is checked."""

import hashlib
import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fedlab.errors import FedlabError


@dataclass(frozen=True)
class Archive:
    """A data set of the UCI archive.

    Parameters
    ----------
    cohort : str
        The cohort's name.
    url : str
        Address of the zip file.
    page : str
        Address of the page that describes it.
    folder : str
        Folder of FEDLAB_DATA where its files may lie unpacked.
    zip_names : tuple of str
        Names that the zip file may have in FEDLAB_DATA.
    members : tuple of str
        The files needed, by their names without folders.
    content : str
        SHA-256 of the parsed content, as `content_hash` gives it.
    """

    cohort: str
    url: str
    page: str
    folder: str
    zip_names: tuple[str, ...]
    members: tuple[str, ...]
    content: str

    def read(self) -> dict[str, bytes]:
        """Return the bytes of each member.

        Raises
        ------
        FedlabError
            If FEDLAB_DATA is set and holds none of it, or it cannot be downloaded, or it is not the zip file
            wanted.
        """
        folder = os.environ.get("FEDLAB_DATA")
        if not folder:
            return self._from_zip(self._download())
        loose = {name: Path(folder) / self.folder / name for name in self.members}
        if all(path.is_file() for path in loose.values()):
            return {name: path.read_bytes() for name, path in loose.items()}
        for zip_name in self.zip_names:
            if (Path(folder) / zip_name).is_file():
                return self._from_zip(Path(folder) / zip_name)
        raise FedlabError(
            f"{self.cohort}: FEDLAB_DATA is {folder!r}, which holds neither {' nor '.join(self.zip_names)} "
            "nor "
            f"{self.folder}/{self.members[0]}; put {self.url} there, or unset FEDLAB_DATA to download it"
        )

    def _download(self) -> Path:
        import pooch

        try:
            # No hash of the zip file: the archive packs it anew now and then, with the same content. The
            # content's own hash is checked by check_content, after parsing.
            return Path(
                pooch.retrieve(self.url, known_hash=None, fname=self.zip_names[-1], path=pooch.os_cache("fedlab"))
            )
        except (OSError, ValueError) as error:
            raise FedlabError(
                f"{self.cohort}: {self.url} could not be downloaded ({error}); download it by hand, put it "
                "into a "
                f"folder as {self.zip_names[-1]}, and set the environment variable FEDLAB_DATA to that folder"
            ) from error

    def _from_zip(self, path: Path) -> dict[str, bytes]:
        try:
            with zipfile.ZipFile(path) as archive:
                held = {name.rpartition("/")[2]: name for name in archive.namelist()}
                return {name: archive.read(held[name]) for name in self.members}
        except (zipfile.BadZipFile, KeyError, OSError) as error:
            raise FedlabError(
                f"{self.cohort}: {path} is not the zip file with {', '.join(self.members)} ({error}); "
                f"delete it and download {self.url} again"
            ) from error

    def check_content(self, got: str) -> None:
        """Compare the parsed content's hash with the one known.

        Raises
        ------
        FedlabError
            If they differ.
        """
        if got != self.content:
            raise FedlabError(
                f"{self.cohort}: the data read are not the published ones: their SHA-256 is {got}, expected "
                f"{self.content}; delete the files (in FEDLAB_DATA, or in pooch's cache folder for fedlab) "
                "and download "
                f"{self.url} again"
            )


def content_hash(columns: Iterable[tuple[str, Iterable[str]]]) -> str:
    """Return the SHA-256 of a table's names and values, however its file is written.

    Parameters
    ----------
    columns : iterable of (str, iterable of str)
        Name and values of each column, a missing value as the empty text.

    Examples
    --------
    >>> content_hash([("a", ["1", ""])])[:8]
    'df649605'
    """
    digest = hashlib.sha256()
    for piece in _pieces(columns):
        digest.update(piece.encode())
    return digest.hexdigest()


def _pieces(columns: Iterable[tuple[str, Iterable[str]]]) -> Iterator[str]:
    # Control characters part values and columns: they occur in neither, so no two tables give the same bytes.
    for name, values in columns:
        yield "\x1d" + name + "\x1e" + "\x1e".join(values)
