"""A zip archive of image files, read member by member: nothing is unpacked, so no path in it is ever created."""

import hashlib
import posixpath
import re
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tinygan.data.decode import LARGEST_FILE
from tinygan.data.download import is_web_page
from tinygan.data.folder import EXTENSIONS
from tinygan.dataprep.sources import Listing, Read, printable
from tinygan.dataprep.sources.files import classes_of, describe_others
from tinygan.errors import TinyganError

LARGEST_RATIO = 1100  # deflate cannot shrink more than 1032 times: beyond it the archive lies about a size
PUBLISHED_MD5 = {"img_align_celeba.zip": "00d2c5bc6d35e252742224ab0c1e8fcb"}
UTF8_FLAG = 0x800  # among a member's flags: its name is UTF-8
REMEDY = "delete it and get it again, or unpack it and name the folder"


@dataclass(frozen=True)
class ZipSource:
    """All JPEG, PNG, WebP and BMP members of the archive ``path``, sorted by name."""

    path: Path
    classes: bool = True  # as in FolderSource, of the folder that all members lie in
    published: bool = False  # one that has the name of a published archive must have its check sum
    own_process = False

    def list(self, scratch: Path) -> Listing:
        """The members; fingerprint over names, sizes and check sums. TinyganError for an untrusted archive, too."""
        with open(self.path, "rb") as file:
            if is_web_page(file.read(1024)):
                raise TinyganError(f"{self.path} is a web page (HTML) saved under an archive's name; {REMEDY}")
        self._check_md5()
        with self._open() as archive:
            members = archive.infolist()
        names, skipped, others, digest = {}, [], Counter(), hashlib.sha256()
        for member in members:
            _refuse_hostile(self.path, member)
            written = name_of(member)
            name = PurePosixPath(written)
            if written.endswith("/") or any(part.startswith(".") or part == "__MACOSX" for part in name.parts):
                continue
            digest.update(f"{member.filename}\0{member.file_size}\0{member.CRC}\0".encode(errors="surrogateescape"))
            if name.suffix.lower() not in EXTENSIONS:
                others[name.suffix.lower() or "without extension"] += 1
            elif str(name) in names:
                skipped.append((str(name), "second member of this name"))
            elif stat.S_ISLNK(member.external_attr >> 16):
                skipped.append((str(name), "symbolic link"))
            elif member.file_size > LARGEST_RATIO * max(1, member.compress_size):
                skipped.append((str(name), f"claims to unpack to {member.file_size} bytes"))
            else:
                names[str(name)] = member
        if not names:
            raise TinyganError(f"no images in {self.path}: looked for members named *{' '.join(EXTENSIONS)}")
        ordered = sorted(names)
        # Programs that pack a folder begin each name with that folder: what lies in it is the classes.
        top = posixpath.commonpath([posixpath.dirname(name) for name in ordered])
        below = [name.removeprefix(f"{top}/") for name in ordered]
        labels, classes = classes_of(below) if self.classes else (None, ())
        fingerprint = f"sha256:{digest.hexdigest()}"
        return Listing(ordered, fingerprint, labels, classes, sorted(skipped), describe_others(others))

    @contextmanager
    def reader(self) -> Iterator[Read]:
        """From a name to the member's bytes; ``zipfile`` checks each against its CRC."""
        with self._open() as archive:
            # Of several members of one name the first counts.
            members = {str(PurePosixPath(name_of(member))): member for member in reversed(archive.infolist())}

            def read(name: str) -> bytes:
                with archive.open(members[name]) as file:
                    return file.read(LARGEST_FILE + 1)

            yield read

    def _open(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, zlib.error) as error:
            remedy = (
                REMEDY if self.path.suffix.lower() == ".zip" else "name a folder of images, or a zip archive of one"
            )
            raise TinyganError(f"{self.path} is no readable zip archive ({error}); {remedy}") from error

    def _check_md5(self) -> None:
        expected = PUBLISHED_MD5.get(self.path.name)
        if not self.published or expected is None:
            return
        with open(self.path, "rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if found != expected:
            raise TinyganError(
                f"{self.path} has another MD5 than the published archive of that name ({found}, not {expected}): "
                f"damaged or not genuine; {REMEDY}"
            )


def name_of(member: zipfile.ZipInfo) -> str:
    """A member's name with "/" between folders, as the program that packed it meant it.

    The format wants "/" and, but for a flag, code page 437. Windows programs write "\\" too, and macOS and many others
    UTF-8 without the flag: what can be read as UTF-8 is taken for it, since hardly any other text can. In the older
    encodings of East Asia "\\" is the second half of some characters, so beside a "/" it separates nothing there.
    """
    name = member.filename
    if not member.flag_bits & UTF8_FLAG:
        try:
            name = name.encode("cp437").decode()
        except UnicodeError:
            return name if "/" in name else name.replace("\\", "/")
    return name.replace("\\", "/")


def _refuse_hostile(path: Path, member: zipfile.ZipInfo) -> None:
    """An archive that was made to write outside its folder is not trusted at all."""
    parts = name_of(member).replace("\\", "/").split("/")
    drive = len(parts) > 1 and re.fullmatch("[A-Za-z]:", parts[0])  # of Windows, as in C:/
    if parts[0] == "" or ".." in parts or drive:
        raise TinyganError(
            f"{path} has a member {printable(member.filename)!r} whose path is absolute or leads upwards; "
            "nothing was read; do not use this archive, get it from its original source"
        )
    if member.flag_bits & 1:
        raise TinyganError(f"{path} is encrypted; unpack it with its password and name the folder")
