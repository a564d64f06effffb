"""The page: whole, closed to the outside, safe against hostile names, small, and alive in a real browser."""

import base64
import io
import itertools
import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.browser import CHROMIUM, WHY_NOT
from tests.data.test_bad_input import png
from tests.evaluation.test_comparison import make_run
from tests.evaluation.test_seeds import seeded
from tinygan.errors import TinyganError
from tinygan.evaluation.runsummary import read_run
from tinygan.losses import ADVERSARIAL_LOSSES
from tinygan.report import BALANCE, _loss_plots, curves, write_report
from tinygan.report.curves import Axis, thin
from tinygan.report.pictures import evenly, spread_out
from tinygan.report.tables import AGREEMENT

VOID = {"meta", "img", "input", "br", "link"}
HOSTILE = "<script>alert(1)<"  # no slash: it has to be a folder's name


class Page(HTMLParser):
    """All elements with their attributes, and the text inside each kind; fails on a tag that does not fit."""

    def __init__(self, path: Path):
        super().__init__()
        self.elements, self.open, self.text = [], [], {}
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        for tag in set(self.open):
            self.text[tag] = self.text.get(tag, "") + data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def folders(tmp_path) -> list[Path]:
    vanilla = make_run(tmp_path / "runs/00000-vanilla", "none", (0.0145, 0.02), final=0.0100)
    wn = make_run(tmp_path / "runs/00001-wn", "wn", (0.03, 0.013, 0.014), final=0.0090, options={"code_size": 16})
    return [vanilla, wn]


def report(folders: list[Path], path: Path) -> Page:
    write_report([read_run(folder) for folder in folders], path)
    return Page(path)


def test_the_page_is_whole_and_accessible(folders, tmp_path):
    page = report(folders, tmp_path / "report.html")
    assert "00001-wn has a final reconstruction loss of 0.009000" in page.text["header"]
    assert "−10.0 ± 0.0 %" in page.text["td"]
    for landmark in ("header", "nav", "main", "footer"):
        assert len(page.all(landmark)) == 1
    assert page.all("html") == [{"lang": "en"}]
    assert all(image["alt"] for image in page.all("img"))
    assert all(cell.get("scope") in ("col", "row", "rowgroup") for cell in page.all("th"))
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names))
    targets = [a["href"][1:] for a in page.all("a")] + [label["for"] for label in page.all("label")]
    targets += [attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes]
    assert set(targets) <= set(names)
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    plots = [svg for svg in page.all("svg") if svg.get("role") == "img"]
    assert len(plots) == 3
    assert "00001-wn: lowest 0.013000 at iteration 200, last 0.014000 at iteration 300." in plots[0]["aria-label"]
    assert page.text["caption"].count("Losses of") == 2  # each plot has its table


def test_nothing_is_fetched(folders, tmp_path):
    page = report(folders, tmp_path / "report.html")
    for _, attributes in page.elements:
        for name in ("src", "href", "srcset", "poster", "data", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:image/"))
    assert page.all("link") == []
    assert not re.search(r"url\(|@import|https?:|//[a-z]+\.", page.text["style"])
    assert not re.search(r"https?:|fetch|import\(|XMLHttp", page.text["script"])
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    assert "default-src 'none'" in policy


def test_whatever_files_say_is_text(folders, tmp_path):
    hostile = tmp_path / "runs" / HOSTILE
    make_run(hostile, options={"name": '"><img src=x onerror=alert(1)>', "<b>": "&lt;"})
    page = report([*folders, hostile], tmp_path / "report.html")
    assert len(page.all("script")) == 1
    assert "alert" not in page.text["script"]
    assert page.all("b") == []
    assert all("onerror" not in image for image in page.all("img"))
    assert HOSTILE in page.text["th"]
    assert '"><img src=x onerror=alert(1)>' in page.text["td"]
    assert "&lt;" in page.text["td"]


def test_settings_that_differ_come_first_and_are_marked(folders, tmp_path):
    config = json.loads((folders[0] / "config.json").read_text())
    config["options"]["d_features"] = [48, 96]
    (folders[0] / "config.json").write_text(json.dumps(config))
    page = report(folders, tmp_path / "report.html")
    assert "Show all settings (6 options, 2 of them different)" in page.text["summary"]
    assert len([row for row in page.all("tr") if row.get("class") == "differs"]) == 2
    options = page.text["tbody"].partition("Options")[2]
    assert options.startswith("≠normnonewn≠d_features48,96–")
    assert "image_size48x3248x32" in options


def test_a_run_alone_and_one_without_pictures_or_losses(tmp_path):
    path = make_run(tmp_path / "run", lines=0, final=None)
    for name in ("samples", "reconstructions"):
        shutil.rmtree(path / name)
    page = report([path], tmp_path / "report.html")
    assert "ompar" not in "".join(page.text[tag] for tag in ("title", "h1", "h2", "a", "th", "figcaption"))
    assert page.all("img") == []
    assert "Samples over time" not in page.text["h2"]
    assert len([svg for svg in page.all("svg") if svg.get("role") == "img"]) == 1


def test_a_curve_of_one_point_is_a_dot(tmp_path):
    page = report([make_run(tmp_path / "run", running=(0.02,), lines=1)], tmp_path / "report.html")
    dots = [path["class"] for path in page.all("path") if "M2,5" not in path["d"]]
    assert dots == ["curve run-0 point", "curve loss-g point", "curve loss-d_fake point", "curve loss-d_real point"]
    assert re.search(r"\.point \{ stroke-width: 9;", page.text["style"])


def test_the_losses_come_first_and_a_missing_one_names_its_command(folders, tmp_path):
    unfinished = make_run(tmp_path / "runs/00002 bn", "bn", (0.029,), final=None)
    page = report([*folders, unfinished], tmp_path / "report.html")
    assert page.text["thead"].startswith("runrunning lossfinal lossdifference")
    assert f"evaluate.py reconstruct '{unfinished}'" in page.text["li"]


@pytest.fixture
def seeds(tmp_path) -> list[Path]:
    """Two seeds of vanilla and WN, with final tests of their last checkpoints."""
    paths = []
    for seed in (0, 1):
        paths.append(seeded(tmp_path / f"runs/none{seed}", "none", seed, (0.03, 0.02 + seed / 1000), 0.01))
        paths.append(seeded(tmp_path / f"runs/wn{seed}", "wn", seed, (0.02, 0.012 + seed / 1000), 0.009))
    return paths


def test_seeds_of_a_model_share_a_colour_under_their_bold_mean(seeds, tmp_path):
    page = report(seeds, tmp_path / "report.html")
    curves = [path["class"] for path in page.all("path") if "run-" in path["class"] and "M2,5" not in path["d"]]
    assert curves[-2:] == ["curve run-1 mean", "curve run-0 mean"]  # drawn last, so on top
    assert sorted(curves[:4]) == ["curve run-0 seed"] * 2 + ["curve run-1 seed"] * 2
    words = next(svg["aria-label"] for svg in page.all("svg") if "Running" in svg.get("aria-label", ""))
    assert "wn, mean of 2 seeds: lowest 0.012500 at iteration 200" in words
    assert "Over seeds, at iteration 200, wn has the lowest mean final reconstruction loss of" in page.text["header"]
    assert "Per image against none: wn −0.001000 ± 0.00" in page.text["header"]
    assert "0.012500 (0.012000 to 0.013000)" in page.text["td"]


def test_final_tests_of_best_checkpoints_are_called_that(tmp_path):
    runs = [make_run(tmp_path / f"{seed}", options={"seed": seed}) for seed in (0, 1)]  # best at 200, last at 300
    page = report(runs, tmp_path / "report.html")
    assert "Over seeds, of the best checkpoints up to iteration 300, wn has the lowest" in page.text["header"]
    assert "range, up to iteration 300, the last that every run" in " ".join(
        (tmp_path / "report.html").read_text().split()
    )


def test_each_loss_has_its_unit_and_its_balance_and_none_is_cut_off(tmp_path):
    squares = make_run(tmp_path / "squares", options={"loss": "least-squares"})
    report([squares], tmp_path / "report.html")
    written = (tmp_path / "report.html").read_text()
    assert "1/4" in written
    assert "squared error<" in written
    assert "ln 2" not in written
    assert "nats" not in written
    log = (squares / "log.jsonl").read_text()  # Wasserstein losses, say
    (squares / "log.jsonl").write_text(log.replace('"d_real": 0.7', '"d_real": -7.0'))
    (plot,) = _loss_plots([read_run(squares)])
    assert plot.y.low < -7
    cross_entropy = make_run(tmp_path / "cross_entropy")
    assert set(BALANCE) == set(ADVERSARIAL_LOSSES)
    (plot,) = _loss_plots([read_run(cross_entropy)])
    assert (plot.y_title, plot.line[1], plot.y.low) == ("nats", "ln 2", 0)


def test_final_tests_of_other_checkpoints_have_their_own_table(folders, tmp_path):
    assert "By checkpoint" not in report(folders, tmp_path / "report.html").text["h3"]
    file = folders[1] / "evaluation/reconstruct-final-best-2000.json"
    shutil.copy(file, file.with_name("reconstruct-final-000100-2000.json"))
    page = report(folders, tmp_path / "report.html")
    assert "By checkpoint" in page.text["h3"]
    assert "200100" in page.text["td"]  # iteration, checkpoint


def test_other_measures_stand_beside_the_running_loss(folders, tmp_path):
    file = folders[1] / "evaluation" / AGREEMENT
    correlations = {"sliced_wasserstein": -0.5, "ms_ssim": None}
    file.write_text(
        json.dumps({"grids": {"iterations": [1, 2, 3], "measured_on": "grids", "rank_correlation": correlations}})
    )
    page = report(folders, tmp_path / "report.html")
    assert "−0.50–3grids" in page.text["td"]
    file.write_text('{"grids": {"iterations": []}}')
    with pytest.raises(TinyganError, match=r"agreement\.json is damaged .*: delete it"):
        report(folders, tmp_path / "report.html")


def test_samples_of_the_same_codes_stand_side_by_side(folders, tmp_path):
    for iteration in (200, 300):
        shutil.copy(folders[0] / "samples/000100.png", folders[0] / f"samples/{iteration:06d}.png")
    page = report(folders, tmp_path / "report.html")
    assert "run100200300" in page.text["thead"]
    strips = [image["alt"] for image in page.all("img") if image["alt"].startswith("12 samples")]
    assert strips == [
        *(f"12 samples of 00000-vanilla after {iteration} iterations" for iteration in (100, 200, 300)),
        "12 samples of 00001-wn after 100 iterations",
    ]


def test_a_strip_is_the_top_left_of_its_grid(folders, tmp_path):
    grid = np.zeros((342, 502, 3), np.uint8)  # 10×10 images of 32×48 pixels with gaps of 2
    grid[:104, :202] = 255
    for iteration in (100, 200):
        Image.fromarray(grid).save(folders[0] / f"samples/{iteration:06d}.png")
    page = report(folders[:1], tmp_path / "report.html")
    strip = next(image for image in page.all("img") if image["alt"].startswith("12 samples"))
    assert (strip["width"], strip["height"]) == ("202", "104")
    with Image.open(io.BytesIO(base64.b64decode(strip["src"].partition(",")[2]))) as image:
        assert image.convert("L").getextrema() == (255, 255)


def test_iterations_are_spread_by_factors():
    assert spread_out(list(range(0, 101, 1))) == [1, 3, 6, 16, 40, 100]
    assert spread_out([0, 5, 9]) == [5, 9]


def test_incomparable_runs_have_no_winner(folders, tmp_path):
    other = make_run(tmp_path / "other", options={"dataset": "cifar10"})
    page = report([*folders, other], tmp_path / "report.html")
    assert "lowest of" not in page.text["header"]
    assert "their losses do not compare" in page.text["header"]


def test_a_sentence_about_running_losses_names_final_ones(folders, tmp_path):
    unfinished = make_run(tmp_path / "runs/00002-bn", "bn", (0.029,), final=None)
    page = report([*folders, unfinished], tmp_path / "report.html")
    assert "00001-wn has a running reconstruction loss of 0.013000" in page.text["header"]
    assert "00001-wn −10.0 ± 0.0 % (final loss); 00002-bn +100.0 % (running loss)" in page.text["header"]


def test_a_damaged_picture_is_named(folders, tmp_path):
    (folders[0] / "samples/000100.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    with pytest.raises(TinyganError, match=r"cannot read the picture .*000100\.png: delete it"):
        report(folders, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_long_run_gives_a_small_page(tmp_path):
    path = make_run(tmp_path / "run", running=tuple(0.01 + 0.1 / k for k in range(1, 501)))
    tests = (path / "log.jsonl").read_text().split("\n", 20)[20]
    rng = np.random.default_rng(0)
    lines = [
        {"iteration": 10 * k, "d_real": d, "d_fake": d, "g": 2 - d} for k, d in enumerate(rng.uniform(0, 1, 50_000))
    ]
    (path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + tests)
    noise = Image.fromarray(rng.integers(0, 256, (342, 342, 3), dtype=np.uint8)).resize((1642, 1642))
    noise.save(path / "samples/001000.png", compress_level=1)
    for k in range(2, 26):
        (path / f"samples/{1000 * k:06d}.png").symlink_to(path / "samples/001000.png")
    shutil.rmtree(path / "reconstructions")
    page = report([path], tmp_path / "report.html")
    frames = [image for image in page.all("img") if "data-iteration" in image]
    assert [frames[0]["data-iteration"], frames[-1]["data-iteration"], len(frames)] == ["0", "25000", 20]
    assert max(int(image["width"]) for image in frames) == 548
    pictures = sum(len(image["src"]) for image in page.all("img"))
    assert pictures < 20 * 500_000  # noise is the worst that JPEG can get
    assert (tmp_path / "report.html").stat().st_size - pictures < 300_000
    curves = [path["d"] for path in page.all("path") if path["class"].startswith("curve") and "," in path["d"][8:]]
    assert all(curve.count(",") <= 500 for curve in curves)


def test_thinning_keeps_means_and_extremes(monkeypatch):
    monkeypatch.setattr(curves, "POINTS", 100)
    x = np.arange(1, 1004, dtype=float)
    y = np.sin(x)
    y[700] = 50
    series = thin("g", "style", x, y)
    assert len(series.x) == 100
    assert series.high.max() == 50
    assert series.low.min() == y.min()
    assert ((series.low <= series.y) & (series.y <= series.high)).all()
    assert series.block == 11
    edges = np.linspace(0, 1003, 101).astype(int)
    assert series.y[42] == pytest.approx(y[edges[42] : edges[43]].mean())


def test_evenly_keeps_first_and_last():
    assert evenly(list(range(100)), 4) == [0, 33, 66, 99]
    assert evenly([1, 2], 4) == [1, 2]


def test_axes():
    assert [text for _, text in Axis(0, 1000).ticks()] == ["0", "200", "400", "600", "800", "1,000"]
    assert [text for _, text in Axis(0.0121, 0.0139, logarithmic=True).ticks()] == ["0.0125", "0.0130", "0.0135"]
    assert [text for _, text in Axis(0.012, 0.3, logarithmic=True).ticks()] == ["0.02", "0.05", "0.1", "0.2"]
    assert Axis(0.01, 1, logarithmic=True).position(0.1) == pytest.approx(0.5)
    constant = Axis.around(np.array([0.02, 0.02]))
    assert constant.low < 0.02 < constant.high


@pytest.fixture
def shown(browser, tmp_path):
    """A function: what a script returns in the page of these runs, in a window of this width; nothing may go wrong."""

    def run(folders: list[Path], script: str, width: int = 1280) -> dict:
        report(folders, tmp_path / "report.html")
        browser.problems.clear()
        browser.resize(width, 800)
        browser.open(tmp_path / "report.html")
        browser.wait_for("document.documentElement.dataset.ready")
        seen = browser.run(f"(() => {{{script}}})()")
        assert browser.problems == []
        return seen

    return run


needs_browser = pytest.mark.skipif(CHROMIUM is None, reason=WHY_NOT)


@needs_browser
def test_a_browser_runs_the_page_without_an_error(folders, shown):
    seen = shown(
        folders,
        """
      const cursor = document.querySelector(".cursor");
      cursor.focus();
      cursor.dispatchEvent(new KeyboardEvent("keydown", {key: "Home", bubbles: true}));
      const slider = document.querySelector("[data-slides] input");
      slider.value = 0;
      slider.dispatchEvent(new Event("input"));
      return {
        text: cursor.getAttribute("aria-valuetext"), line: cursor.querySelector("i").style.left,
        sliders: [...document.querySelectorAll("[data-slides] input")].map((e) => e.getAttribute("aria-valuetext")),
        shown: [...document.querySelectorAll("[data-slides] img:not([hidden])")].map((e) => e.dataset.iteration),
        loaded: [...document.images].filter((image) => !image.hidden).every((image) => image.naturalWidth === 24),
      };""",
    )
    assert seen["text"] == "Iteration 100: 00000-vanilla 0.014500, 00001-wn 0.030000"
    assert seen["line"] == "33.3333%"
    assert seen["sliders"] == ["iteration 0", "iteration 0"]  # the second follows the first
    assert seen["shown"] == ["0", "0"]
    assert seen["loaded"]


@needs_browser
def test_print_shows_what_is_folded_and_cuts_nothing(seeds, shown):
    """With the rules for print in force on a page as wide as A4 between its margins (186 mm at 96 dpi)."""
    seen = shown(
        seeds,
        """
      const open = () => document.querySelectorAll("details[open]").length;
      const seen = { folded: open(), all: document.querySelectorAll("details").length };
      dispatchEvent(new Event("beforeprint"));
      seen.printed = open();
      const sheet = document.styleSheets[0];
      const rules = [...sheet.cssRules].find((rule) => rule.media && rule.media.mediaText === "print").cssRules;
      for (const rule of rules) if (rule.selectorText) sheet.insertRule(rule.cssText, sheet.cssRules.length);
      document.body.style.width = "703px";
      seen.cut = [...document.querySelectorAll(".scroll, table")].filter(
        (e) => e.getBoundingClientRect().right > document.body.getBoundingClientRect().right + 1 ||
               getComputedStyle(e).overflowX === "auto").length;
      seen.hints = [...document.querySelectorAll(".scroll-hint")].filter((hint) => hint.offsetHeight).length;
      dispatchEvent(new Event("afterprint"));
      seen.after = open();
      return seen;""",
    )
    assert seen["all"] == seen["printed"] == 6
    assert seen["folded"] == seen["after"] == seen["cut"] == seen["hints"] == 0


@needs_browser
@pytest.mark.parametrize(("width", "hinted"), [(390, True), (1280, False)])
def test_a_table_that_scrolls_says_so(seeds, shown, width, hinted):
    seen = shown(
        seeds,
        """
      const scroll = document.querySelector(".scroll"), place = scroll.getBoundingClientRect();
      const cells = [...scroll.querySelector("tbody tr").cells].slice(0, 3).map((c) => c.getBoundingClientRect().right);
      return { hints: [...document.querySelectorAll(".scroll-hint")].map((hint) => hint.offsetHeight > 0),
        losses: cells.every((right) => right <= place.right) };""",
        width,
    )
    assert seen["hints"][0] is hinted
    assert seen["losses"]


def png_of(width, height):
    """A PNG that claims this size, and holds next to nothing."""
    return png(width, height, 8, 2, bytes(1000))


@pytest.mark.parametrize("name", ["samples/000100.png", "samples/reals.png", "reconstructions/targets.png"])
@pytest.mark.parametrize(
    "content",
    [b"", b"\x89PNG\r\n\x1a\n", png_of(30_000, 30_000), png_of(12_000, 12_000), png_of(2**31 - 1, 9), png_of(50, 50)],
    ids=["empty", "head", "bomb", "large", "wide", "cut"],
)
def test_a_picture_that_cannot_be_shown_is_named(folders, tmp_path, name, content):
    (folders[0] / name).write_bytes(content)
    with pytest.raises(
        TinyganError, match=rf"cannot read the picture .*{name}: delete it, and give the same command again"
    ):
        report(folders, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
    (folders[0] / name).unlink()
    report(folders, tmp_path / "report.html")


def test_a_pipe_among_the_pictures_hangs_nothing(folders, tmp_path):
    (folders[0] / "samples" / "reals.png").unlink()
    os.mkfifo(folders[0] / "samples" / "reals.png")
    with pytest.raises(TinyganError, match="cannot read the picture"):
        report(folders, tmp_path / "report.html")


def test_control_characters_do_not_get_into_the_page(folders, tmp_path):
    bad = "a\x00b\x1b[2Jc\x85d\ud800e"
    path = make_run(tmp_path / "bad", options={"name": bad, bad: 1})
    assert "a?b?[2Jc?d?e" in report([*folders, path], tmp_path / "report.html").text["td"]


def test_a_log_of_the_first_iteration_alone_has_a_plot(tmp_path):
    path = make_run(tmp_path / "run", running=(0.03,), lines=1, final=None)
    lines = (path / "log.jsonl").read_text().replace('"iteration": 100', '"iteration": 0')
    (path / "log.jsonl").write_text(lines.replace('"iteration": 1,', '"iteration": 0,'))
    assert len([svg for svg in report([path], tmp_path / "report.html").all("svg") if svg.get("role") == "img"]) == 2


def test_losses_from_the_smallest_to_the_largest_have_a_plot(tmp_path):
    path = make_run(tmp_path / "run", running=(5e-324, 3e38), final=None)
    report([path], tmp_path / "report.html")
