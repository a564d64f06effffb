"""A preparation: the same bytes however it went, nothing that looks whole before it is."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.data.conftest import picture, write_pictures
from tests.liverun import assert_ended
from tinygan.data.packed import HEADER_BYTES, open_packed
from tinygan.dataprep import workers
from tinygan.dataprep.finish import PackOptions
from tinygan.dataprep.partial import PartialPack
from tinygan.dataprep.pool import Pool
from tinygan.dataprep.prepare import prepare
from tinygan.dataprep.sources.files import FolderSource
from tinygan.errors import Stopped, TinyganError, UsageError

ROOT = Path(__file__).parent.parent.parent
SIZE = (8, 8)
OPTIONS = PackOptions("folder", SIZE)
FILES = ("images.npy", "dataset.json", "names.txt", "preview.png", "train.npy")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(workers, "BLOCK_ITEMS", 4)


@pytest.fixture
def photos(tmp_path):
    return write_pictures(tmp_path / "photos", 22)


@pytest.fixture
def whole(photos, tmp_path):
    """The set made in one go, by this process alone."""
    prepare(FolderSource(photos), OPTIONS, tmp_path / "whole", 1)
    return tmp_path / "whole"


def assert_same(one, other):
    assert sorted(path.name for path in one.iterdir()) == sorted(FILES)
    for name in FILES:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_any_number_of_processes_gives_the_same_bytes(photos, whole, tmp_path):
    prepare(FolderSource(photos), OPTIONS, tmp_path / "three", 3)
    assert_same(tmp_path / "three", whole)


@pytest.mark.parametrize("stop_at", [1, 3])
def test_a_stop_keeps_what_is_finished_and_the_same_call_goes_on(photos, whole, tmp_path, monkeypatch, stop_at, capsys):
    append, out = PartialPack.append, tmp_path / "out"
    decoded = []

    def stop(self, block):
        append(self, block)
        decoded.append(len(block.images))
        if len(decoded) == stop_at:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(PartialPack, "append", stop)
    with pytest.raises(Stopped, match=rf"stopped by SIGINT: {4 * stop_at} of 22 images are finished .*again") as caught:
        prepare(FolderSource(photos), OPTIONS, out, 1)
    assert caught.value.exit_code == 130
    assert [path.name for path in out.iterdir()] == ["unfinished"]
    with pytest.raises(TinyganError, match="not finished"):
        open_packed(out)
    prepare(FolderSource(photos), OPTIONS, out, 1)
    assert sum(decoded) == 22
    assert f"{4 * stop_at} images are finished already" in capsys.readouterr().err
    assert_same(out, whole)


CRASHES = {
    "after the first images, before a journal": ("append", 1),
    "after a journal": ("save", 1),
    "before the header": ("finish_images", 0),
    "before the description": ("remove", 0),
}


@pytest.mark.parametrize("where", CRASHES)
def test_a_crash_anywhere_loses_nothing_that_the_journal_knows(photos, whole, tmp_path, monkeypatch, where):
    name, calls = CRASHES[where]
    out = tmp_path / "out"
    # os._exit in a process of its own: nothing is cleaned up, as with kill -9 or a power cut.
    program = f"""
import os, sys
from pathlib import Path
from tinygan.dataprep import prepare, workers
from tinygan.dataprep.finish import PackOptions
from tinygan.dataprep.sources.files import FolderSource
from tinygan.dataprep.partial import PartialPack
from tinygan.dataprep.pool import Pool
import tinygan.dataprep.finish as finish
workers.BLOCK_ITEMS, prepare.SAVE_SECONDS = 4, 0.0
kept, calls = getattr(PartialPack, "{name}"), []
def crash(self, *arguments):
    if len(calls) == {calls}:
        os._exit(9)
    calls.append(1)
    return kept(self, *arguments)
setattr(PartialPack, "{name}", crash)
if "{name}" == "remove":
    write = finish.write_atomically
    finish.write_atomically = lambda path, content: os._exit(9) if path.name == "dataset.json" else write(path, content)
prepare.prepare(FolderSource(Path({str(photos)!r})), PackOptions("folder", (8, 8)), Path({str(out)!r}), 1)
"""
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 9
    with pytest.raises(TinyganError, match="not finished"):
        open_packed(out)
    prepare(FolderSource(photos), OPTIONS, out, 1)
    assert_same(out, whole)


def test_workers_end_with_the_process_that_was_killed(photos, tmp_path):
    program = f"""
from pathlib import Path
from tests.data.test_prepare import OPTIONS, Slow
from tinygan.dataprep import workers
from tinygan.dataprep.prepare import prepare
workers.BLOCK_ITEMS = 4
prepare(Slow(Path({str(photos)!r})), OPTIONS, Path({str(tmp_path / "out")!r}), 2)
"""
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    deadline = time.monotonic() + 60
    started: list[Path] = []
    while len(started) < 2 and process.poll() is None and time.monotonic() < deadline:
        started = sorted(photos.parent.glob("worker-*"))
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert len(started) == 2
    numbers = [int(path.name.removeprefix("worker-")) for path in started]
    assert_ended(*numbers)


def test_an_interruption_does_not_wait_for_a_long_task():
    started = time.monotonic()

    def interrupted():
        with Pool(2) as pool:
            answers = pool.in_order(nap, [(0,), (600,)])
            next(answers)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - started < 60


def nap(seconds):
    time.sleep(seconds)


class Slow(FolderSource):
    """Its readers say that they are there, and never come back."""

    own_process = True

    def reader(self):
        (self.path.parent / f"worker-{os.getpid()}").touch()
        time.sleep(600)


def test_a_full_disk_half_way(photos, whole, tmp_path):
    # A limit on the size of a file is the same refusal to the writer as a full disk, and needs no disk.
    program = (
        "import resource, runpy, sys; from tinygan.dataprep import workers; workers.BLOCK_ITEMS = 4; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); sys.argv = sys.argv[1:]; "
        "runpy.run_path('data_prep.py', run_name='__main__')"
    )
    options = ["folder", "--source", photos, "--image-size", "8", "--processes", "1", "--out", tmp_path / "out"]
    command = [sys.executable, "-c", program, "data_prep.py", *map(str, options)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert f"error: cannot write {tmp_path}/out/unfinished/images.npy: " in ended.stderr
    assert "File too large; what is finished is kept for this command; allow larger files" in ended.stderr
    prepare(FolderSource(photos), OPTIONS, tmp_path / "out", 1)
    assert_same(tmp_path / "out", whole)


def test_a_disk_that_is_too_small_is_refused_before_the_first_image(photos, tmp_path):
    with pytest.raises(TinyganError, match=r"22 images need \d+.\d GB and .* GB are free"):
        prepare(FolderSource(photos), PackOptions("folder", (10**7, 10**7)), tmp_path / "out", 1)
    assert not (tmp_path / "out").exists()


def test_a_second_preparation_into_the_same_folder(photos, whole, tmp_path):
    before = {name: (whole / name).read_bytes() for name in FILES}
    with pytest.raises(TinyganError, match="holds a packed set already"):
        prepare(FolderSource(photos), OPTIONS, whole, 1)
    assert {path.name: path.read_bytes() for path in whole.iterdir()} == before
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("precious")
    with pytest.raises(TinyganError, match=r"is not empty \(it holds thesis.tex\): choose a new folder"):
        prepare(FolderSource(photos), OPTIONS, tmp_path / "full", 1)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.tex"]
    (mine := tmp_path / "mine" / "unfinished").mkdir(parents=True)
    (mine / "thesis.tex").write_text("precious")
    with pytest.raises(TinyganError, match=r"is not empty \(it holds unfinished/thesis.tex\): choose a new folder"):
        prepare(FolderSource(photos), OPTIONS, mine.parent, 1)
    assert (mine / "thesis.tex").read_text() == "precious"
    with pytest.raises(UsageError, match="lies in the source"):
        prepare(FolderSource(photos), OPTIONS, photos / "out", 1)
    assert not (photos / "out").exists()


def stopped(photos, out, monkeypatch):
    """An unfinished preparation of four images."""
    with monkeypatch.context() as patch:
        patch.setattr(PartialPack, "append", then(PartialPack.append, lambda: os.kill(os.getpid(), signal.SIGINT)))
        with pytest.raises(Stopped):
            prepare(FolderSource(photos), OPTIONS, out, 1)


def then(function, what):
    """``function``, and ``what`` after it."""

    def both(*arguments):
        function(*arguments)
        what()

    return both


def test_another_job_does_not_touch_what_is_unfinished(photos, whole, tmp_path, monkeypatch):
    out = tmp_path / "out"
    stopped(photos, out, monkeypatch)
    with pytest.raises(TinyganError, match="unfinished preparation with another --crop-size"):
        prepare(FolderSource(photos), PackOptions("folder", SIZE, (4, 4)), out, 1)
    picture(99).save(photos / "new.png")
    with pytest.raises(TinyganError, match="unfinished preparation with another source"):
        prepare(FolderSource(photos), OPTIONS, out, 1)
    (photos / "new.png").unlink()
    assert json.loads((out / "unfinished" / "journal.json").read_text())["rows"] == 4
    prepare(FolderSource(photos), OPTIONS, out, 1)
    assert_same(out, whole)


@pytest.mark.parametrize("name", ["names.txt", "train.npy", "preview.png", "dataset.json"])
def test_a_kill_while_a_file_of_the_finished_set_is_written(photos, whole, tmp_path, name):
    out = tmp_path / "out"
    program = (
        "import os, runpy, signal, sys; replace = os.replace; sys.argv = sys.argv[1:]; "
        f"os.replace = lambda a, b: str(b).endswith('/{name}') and os.kill(os.getpid(), 9) or replace(a, b); "
        "runpy.run_path('data_prep.py', run_name='__main__')"
    )
    options = ["folder", "--source", photos, "--image-size", "8", "--processes", "1", "--out", out]
    command = [sys.executable, "-c", program, "data_prep.py", *map(str, options)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == -signal.SIGKILL
    assert list(out.glob(f"{name}.*.part"))  # it did die there
    prepare(FolderSource(photos), OPTIONS, out, 1)
    assert_same(out, whole)


def changed_journal(**fields):
    return lambda text: json.dumps(json.loads(text) | fields).encode()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: b"",
        lambda text: text[:-9],
        changed_journal(rows="4"),
        changed_journal(rows=-4),
        changed_journal(rows=3),
        changed_journal(done=True),
        changed_journal(skipped=[["a", 1]]),
        changed_journal(skipped=[4]),
        changed_journal(notes=[]),
        changed_journal(notes={"grey": None}),
        changed_journal(job="folder"),
    ],
)
def test_a_damaged_journal_is_one_line_and_costs_nothing(photos, tmp_path, monkeypatch, damage):
    out = tmp_path / "out"
    stopped(photos, out, monkeypatch)
    images, journal = (out / "unfinished" / name for name in ("images.npy", "journal.json"))
    journal.write_bytes(damaged := damage(journal.read_bytes()))
    before = images.read_bytes()
    with pytest.raises(TinyganError, match=r"journal.json is damaged \(.*\): delete .*out to start anew"):
        prepare(FolderSource(photos), OPTIONS, out, 1)
    assert images.read_bytes() == before
    assert journal.read_bytes() == damaged


def test_finished_images_that_were_damaged_are_not_taken_for_good(photos, whole, tmp_path, monkeypatch):
    out = tmp_path / "out"
    stopped(photos, out, monkeypatch)
    images, journal = (out / "unfinished" / name for name in ("images.npy", "journal.json"))
    good = images.read_bytes()
    images.write_bytes(good[:200] + bytes([good[200] ^ 4]) + good[201:])
    with pytest.raises(TinyganError, match=r"images.npy is damaged \(wrong check sum\): delete .*out to start anew"):
        prepare(FolderSource(photos), OPTIONS, out, 1)
    images.write_bytes(good)
    journal.write_text(
        json.dumps({name: value for name, value in json.loads(journal.read_text()).items() if name != "crc"})
    )
    prepare(FolderSource(photos), OPTIONS, out, 1)  # an older version's journal
    assert_same(out, whole)


def test_one_process_at_a_time(photos, tmp_path):
    first = PartialPack(tmp_path / "out", SIZE)
    with pytest.raises(TinyganError, match="is being prepared by another process"):
        prepare(FolderSource(photos), OPTIONS, tmp_path / "out", 1)
    first.close()
    prepare(FolderSource(photos), OPTIONS, tmp_path / "out", 1)


def test_too_many_unusable_images_and_a_higher_limit(photos, tmp_path):
    for k in (3, 9):
        (photos / f"{k:03d}.png").write_bytes(b"broken")
    out = tmp_path / "out"
    one = PackOptions("folder", SIZE, max_skipped=0.05)
    with pytest.raises(TinyganError, match=r"more than 1 of 22 .*the first: 003.png: no readable JPEG.*--max-skipped"):
        prepare(FolderSource(photos), one, out, 1)
    said = prepare(FolderSource(photos), PackOptions("folder", SIZE, max_skipped=0.1), out, 1)
    assert said["skipped"] == [[f"{k:03d}.png", "no readable JPEG, PNG, WebP or BMP"] for k in (3, 9)]
    expected = [np.asarray(picture(k)) for k in range(22) if k not in (3, 9)]
    assert np.array_equal(open_packed(out).images, expected)
    assert (out / "names.txt").read_text().split()[2:4] == ["002.png", "004.png"]


def test_nothing_is_left_of_a_preparation_without_an_image(photos, tmp_path):
    with pytest.raises(TinyganError, match=r"the crop of 9x9 .* does not fit into an image of 8x8"):
        prepare(FolderSource(photos), PackOptions("folder", SIZE, (9, 9)), tmp_path / "out", 1)
    assert not (tmp_path / "out").exists()
    with pytest.raises(TinyganError, match="not one image could be used"):
        prepare(FolderSource(photos), PackOptions("folder", SIZE, (9, 9), max_skipped=1.0), tmp_path / "out", 1)
    assert not (tmp_path / "out").exists()


def test_a_worker_that_dies_is_one_line(photos, tmp_path):
    with pytest.raises(TinyganError, match=r"that read .*photos between 000.png and 003.png ended \(by signal 9\)"):
        prepare(Deadly(photos), OPTIONS, tmp_path / "out", 2)


class Deadly(FolderSource):
    """Its images kill their reader."""

    own_process = True

    def reader(self):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("everybody", [False, True])
def test_workers_that_are_killed_end_the_preparation(photos, whole, tmp_path, everybody):
    """It neither hangs nor loses what is finished, and what it says is true."""
    out = tmp_path / "out"
    with pytest.raises(
        TinyganError, match=r"between 008.png and 011.png ended \(by signal 9\); what is finished is kept"
    ):
        prepare(Killed(photos, all=everybody), OPTIONS, out, 2)
    assert json.loads((out / "unfinished" / "journal.json").read_text())["rows"] == 8
    prepare(FolderSource(photos), OPTIONS, out, 2)
    assert_same(out, whole)


@dataclass(frozen=True)
class Killed(FolderSource):
    """Who reads the ninth image is killed, or all of them."""

    all: bool = False

    @contextmanager
    def reader(self):
        with super().reader() as read:
            (self.path.parent / f"reader-{os.getpid()}").touch()

            def deadly(item):
                if item == "008.png":
                    written, until = self.path.parent / "out" / "unfinished" / "images.npy", time.monotonic() + 60
                    while written.stat().st_size < HEADER_BYTES + 8 * 8 * 8 * 3 and time.monotonic() < until:
                        time.sleep(0.01)  # the two blocks before are on their way
                    others = [int(path.name[7:]) for path in self.path.parent.glob("reader-*")]
                    for number in {*(others if self.all else ())} - {os.getpid()}:
                        os.kill(number, signal.SIGKILL)
                    os.kill(os.getpid(), signal.SIGKILL)
                return read(item)

            yield deadly


def test_the_first_failure_in_order_is_the_one_that_is_raised():
    with Pool(2) as pool, pytest.raises(RuntimeError) as caught:
        list(pool.in_order(fail_after, [(0.5, "first"), (0.0, "second")]))
    assert "first" in str(caught.value)
    assert "second" not in str(caught.value)


def fail_after(seconds, message):
    time.sleep(seconds)
    raise ValueError(message)


def test_a_stop_does_not_wait_for_a_block(photos, tmp_path):
    """A block may be 256 photographs; with one process it ends at the next image, with more at once."""
    with pytest.raises(Stopped, match="stopped by SIGTERM"):
        prepare(Stopping(photos), OPTIONS, tmp_path / "one", 1)
    assert [path.name for path in tmp_path.glob("read-*")] == ["read-000.png"]
    began = time.monotonic()
    with pytest.raises(Stopped, match="stopped by SIGTERM"):
        prepare(Stopping(photos, seconds=30), OPTIONS, tmp_path / "two", 2)
    assert time.monotonic() - began < 60  # a block takes 120 seconds


@dataclass(frozen=True)
class Stopping(FolderSource):
    """Whoever reads its first image tells the process that prepares to stop; each image takes ``seconds`` more."""

    seconds: float = 0

    @contextmanager
    def reader(self):
        with super().reader() as read:

            def stopping(item):
                (self.path.parent / f"read-{item}").touch()
                if item == "000.png":
                    os.kill(os.getppid() if self.seconds else os.getpid(), signal.SIGTERM)
                time.sleep(self.seconds)
                return read(item)

            yield stopping


@pytest.mark.parametrize(("number", "limit"), [(errno.EAGAIN, "ulimit -u"), (errno.EMFILE, "ulimit -n")])
def test_no_process_for_a_worker_is_one_line(photos, tmp_path, monkeypatch, number, limit):
    def refuse(*arguments, **keywords):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(subprocess, "Popen", refuse)
    said = rf"refuses a process .*{os.strerror(number)}\): give fewer --processes, or raise the limit \({limit}\)"
    with pytest.raises(TinyganError, match=said):
        prepare(FolderSource(photos), OPTIONS, tmp_path / "out", 2)


def test_no_more_workers_than_blocks(photos, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "BLOCK_ITEMS", 11)
    began = []
    begin = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **options: began.append(args) or begin(*args, **options))
    prepare(FolderSource(photos), OPTIONS, tmp_path / "out", 9)
    assert len(began) == 2
    assert_same(tmp_path / "out", whole)


def test_workers_need_no_shared_memory_folder(photos, whole, tmp_path, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("a semaphore with a name")

    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", refuse)
    prepare(FolderSource(photos), OPTIONS, tmp_path / "out", 2)
    assert_same(tmp_path / "out", whole)


def test_classes_only_where_every_image_has_one(tmp_path):
    write_pictures(tmp_path / "x" / "dog", 2)
    source = FolderSource(tmp_path / "x")
    assert source.list(tmp_path).labels is None  # one folder is a doubled level, not a class
    write_pictures(tmp_path / "x" / "cat" / "deep", 3)
    listing = source.list(tmp_path)
    assert listing.classes == ("cat", "dog")
    assert listing.labels.tolist() == [0, 0, 0, 1, 1]
    picture(0).save(tmp_path / "x" / "stray.png")
    assert source.list(tmp_path).labels is None


def test_a_packed_set_is_no_source(whole, tmp_path):
    with pytest.raises(TinyganError, match="is packed already"):
        prepare(FolderSource(whole), OPTIONS, tmp_path / "out", 1)


def test_without_a_terminal_a_line_now_and_then_says_how_far_it_is(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(prepare.__globals__, "LINE_SECONDS", 0.0)
    prepare(FolderSource(photos), OPTIONS, tmp_path / "out", 1)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in lines] == [f"{done} of 22 images" for done in (4, 8, 12, 16, 20, 22)]
    assert all(re.fullmatch(r"\d+ of 22 images, \d+/s, to go \d\d:\d\d", line) for line in lines)
