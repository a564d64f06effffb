"""From what was typed to a source: the kind of thing that ``--source`` names decides."""

from pathlib import Path

from tinygan.data import cifar10
from tinygan.dataprep.sources import Source
from tinygan.dataprep.sources.cifar import CifarSource
from tinygan.dataprep.sources.files import FolderSource
from tinygan.dataprep.sources.zipped import ZipSource
from tinygan.errors import TinyganError

DATABASE = "data.mdb"  # in an LMDB's folder


def choose(dataset: str, path: Path | None, out: Path) -> tuple[Source, tuple[str, ...]]:
    """The source of ``dataset`` at ``path``, and the names in ``out`` that belong to it."""
    if dataset == "cifar10":
        forms = (cifar10.BINARY, cifar10.PYTHON)
        return CifarSource(path, out), tuple(name for form in forms for name in (form.archive, form.folder))
    classes = dataset == "folder"
    if dataset == "lsun":
        database = find_database(path)
        if database:
            from tinygan.dataprep.sources.lsun import LmdbSource

            return LmdbSource(database), ()
    if path.is_file():
        return ZipSource(path, classes, published=dataset == "celeba"), ()
    return FolderSource(path, classes), ()


def find_database(path: Path) -> Path | None:
    """The LMDB's folder if ``path`` names one, or the file in it; TinyganError if it names the folder above."""
    if path.name == DATABASE and path.is_file():
        return path.parent
    if (path / DATABASE).is_file():
        return path
    below = sorted(file.parent for file in path.glob(f"*/{DATABASE}")) if path.is_dir() else []
    if below:
        names = ", ".join(str(folder) for folder in below[:3])
        raise TinyganError(f"--source {path} is the folder above the database; name one of: {names}")
    return None
