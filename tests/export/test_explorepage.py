"""The page of a generator: in a real browser it draws and searches as Python does; by keyboard, and on a phone."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.browser import CHROMIUM, WHY_NOT
from tests.layers.cases import CASES, prepare, smooth_input, upstream
from tinygan import load_generator
from tinygan.cli import evaluate
from tinygan.device import open_backend
from tinygan.errors import run_script
from tinygan.evaluation.generator import TrainedGenerator
from tinygan.export import explorepage
from tinygan.export.explorepage import HELD_OUT, held_out_images, packed, principal_directions, write_page
from tinygan.export.folded import operations_of
from tinygan.images import save_grid
from tinygan.models.norms import NORMS
from tinygan.reconstruction import Search, search_codes
from tinygan.rng import rng_for
from tinygan.training.options import Options
from tinygan.training.session import build_game

PAGE = Path(explorepage.__file__).parent / "page"
SIZE, CODE = (18, 24), 6  # an odd map inside, so that padding and cropping occur
RESNET = {"model": "resnet", "d_features": [6, 8], "d_blocks": [1, 2]}
NETWORKS = {
    **{norm: {"norm": norm} for norm in NORMS},
    **{f"resnet-{norm}": {"norm": norm, **RESNET} for norm in NORMS},
}
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason=WHY_NOT)


def make_run(folder, **changes) -> TrainedGenerator:
    """A run as if trained: no value where it started, running statistics included."""
    sizes = {"image_size": SIZE, "code_size": CODE, "features": 8}
    options = Options(**(sizes | changes))
    backend = open_backend("cpu", "float32")
    game = build_game(options, backend)
    flat = game.generator.parameters.flat
    flat[:] += 0.1 * rng_for(1, "explore").standard_normal(flat.shape)
    for _ in range(20):
        game.generator.network(
            rng_for(2, "explore").standard_normal((8, options.code_size)).astype("f4"), training=True
        )
    folder.mkdir(parents=True, exist_ok=True)
    return TrainedGenerator(game.generator.network, options, 7, backend, folder)


@pytest.fixture(scope="module")
def explored(browser, tmp_path_factory):
    """The page of a run with held-out images, and the page's file."""
    folder = tmp_path_factory.mktemp("explored") / "run"
    run = make_run(folder)
    (folder / "reconstructions").mkdir()
    save_grid(folder / "reconstructions" / "targets.png", held_out())
    (folder / "config.json").write_text('{"options": {"norm": "wn"}}')
    path = folder / "explore.html"
    write_page(run, path)
    return path


@pytest.fixture
def page(browser, explored):
    """The page, loaded anew."""
    browser.problems.clear()
    browser.resize(1280, 900)
    browser.open(explored)
    browser.wait_for("document.documentElement.dataset.ready")
    browser.wait_for("!engine.drawing")
    yield browser
    assert browser.problems == []


def held_out():
    return rng_for(3, "explore").integers(0, 256, (12, *SIZE, 3)).astype(np.uint8)


def images(browser, script):
    return np.array(browser.run(script), np.float64).reshape(-1, *SIZE, 3)


def pixels(browser, canvas):
    """What stands on a canvas: uint8 (H, W, 3)."""
    script = """((canvas) => {
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
      copy.drawImage(canvas, 0, 0);
      return [...copy.getImageData(0, 0, canvas.width, canvas.height).data];
    })"""
    script = f"{script}({canvas})"
    return np.array(browser.run(script), np.uint8).reshape(*SIZE, 4)[..., :3]


@needs_browser
@pytest.mark.parametrize("name", NETWORKS)
def test_images_and_search_are_pythons(name, browser, tmp_path):
    run = make_run(tmp_path / name, **NETWORKS[name])
    write_page(run, tmp_path / f"{name}.html")
    browser.open(tmp_path / f"{name}.html")
    browser.wait_for("document.documentElement.dataset.ready")
    codes = rng_for(4, "explore").standard_normal((5, CODE)).astype(np.float32)
    codes[0] = 0
    draw = "async (code) => [...(await engine.draw(new Float32Array(code))).image]"
    drawn = images(browser, f"Promise.all({json.dumps(codes.tolist())}.map({draw}))")
    expected = run.network(codes)[0]
    assert expected[1:].std(axis=0).mean() > 0.01  # codes matter
    np.testing.assert_allclose(drawn, expected, atol=1 / 255)

    targets = np.clip(expected[3:] + rng_for(5, "explore").uniform(-0.1, 0.1, expected[3:].shape), 0, 1).astype("f4")
    found = search_codes(run.network, targets, np.zeros((2, CODE), "f4"), Search(steps=60), run.backend)
    before = search_codes(run.network, targets, np.zeros((2, CODE), "f4"), Search(steps=0), run.backend)
    assert (found.losses < 0.9 * before.losses).all()  # the search has something to find
    for target, first, last, code in zip(targets, before.losses, found.losses, found.codes, strict=True):
        script = """(async () => {
          const steps = [];
          await engine.search(new Float32Array(TARGET), 60, (one) => steps.push(one));
          return { losses: steps.map((one) => one.loss), code: [...steps[60].code] };
        })()"""
        result = browser.run(script.replace("TARGET", json.dumps(target.ravel().tolist())))
        assert len(result["losses"]) == 61
        assert result["losses"][0] == pytest.approx(first, rel=0.02)
        assert result["losses"][-1] == pytest.approx(last, rel=0.02)
        np.testing.assert_allclose(result["code"], code, atol=0.05)


@pytest.fixture(scope="module")
def bare(browser, tmp_path_factory):
    """A page that holds the operations alone."""
    path = tmp_path_factory.mktemp("bare") / "bare.html"
    scripts = [(PAGE / file).read_text() for file in ("products.js", "operations.js", "network.js")]
    path.write_text("".join(f"<script>{script}</script>" for script in scripts))
    return path


def by_javascript(browser, operations, weights, x, dy):
    """G(x) and dx of each row by itself."""
    values = [operations, list(weights), x.reshape(len(x), -1).tolist(), dy.reshape(len(x), -1).tolist(), x.shape[1:]]
    script = """(([operations, weights, xs, dys, shape]) => {
      const network = openNetwork(operations, new Uint8Array(weights).buffer);
      return xs.map((x, k) => {
        const [y, backward] = forward(network, new Float32Array(x), shape);
        return [[...y], [...backward(new Float32Array(dys[k]))]];
      });
    })"""
    rows = browser.run(f"{script}({json.dumps(values)})")
    return (np.array([row[which] for row in rows]).reshape(like.shape) for which, like in ((0, dy), (1, x)))


@needs_browser
@pytest.mark.parametrize("name", CASES)
def test_every_layer_by_itself(name, browser, bare):
    layer, x = CASES[name].build(), smooth_input(CASES[name].shape)
    prepare(layer)
    y, backward = layer(x)
    dy = upstream(y)
    browser.open(bare)
    actual, dx = by_javascript(browser, *packed(operations_of(layer)), x, dy)
    np.testing.assert_allclose(actual, y, atol=2e-3 * np.abs(y).max())  # weights are rounded to 11 bits
    expected = backward(dy)
    np.testing.assert_allclose(dx, expected, atol=2e-3 * np.abs(expected).max())


@needs_browser
@pytest.mark.parametrize("name", NETWORKS)
def test_the_gradient_is_pythons(name, browser, bare, tmp_path):
    """By itself: the search's optimiser divides a constant factor out of it.

    Weights rounded to float16 now and then put a unit on the other side of its kink, which moves the whole gradient of
    that code; a wrong operation moves the gradients of all.
    """
    run = make_run(tmp_path / name, **NETWORKS[name])
    browser.open(bare)
    codes = rng_for(6, "explore").standard_normal((9, CODE)).astype(np.float32)
    images, backward = run.network(codes)
    dy = rng_for(7, "explore").standard_normal(images.shape).astype(np.float32)
    _, dz = by_javascript(browser, *packed(operations_of(run.network)), codes, dy)
    expected = backward(dy)
    assert np.median(np.abs(dz - expected).max(1) / np.abs(expected).max(1)) < 3e-3


@needs_browser
def test_by_keyboard(page):
    first = pixels(page, "byId('image')")
    page.press("n")
    page.wait_for("!engine.drawing")
    second = pixels(page, "byId('image')")
    assert (first != second).mean() > 0.1
    assert page.run("byId('what').textContent") == "Sample 1"

    page.run("byId('direction-0').focus()")
    for _ in range(10):
        page.press("ArrowRight")
    page.wait_for("!engine.drawing")
    assert page.run("byId('direction-0').nextElementSibling.textContent") == "0.50"
    assert (pixels(page, "byId('image')") != second).mean() > 0.1

    page.press("d")
    assert page.run("drawing.amounts").count(0) == len(page.run("drawing.amounts"))
    assert page.run("byId('about-directions').textContent").startswith("Random directions")

    page.press("0")
    page.wait_for("!engine.drawing")
    assert page.run("Math.max(...drawing.code())") == 0

    page.press("f")
    page.wait_for("byId('what').textContent === 'Film along a walk' && !drawing.base.every((value) => value === 0)")
    page.press("f")
    assert page.run("[byId('film').getAttribute('aria-pressed'), drawing.frame]") == ["false", 0]

    corners = page.run("square.corners.map((code) => code[0])")
    page.press("c")
    assert page.run("square.corners.map((code) => code[0])") != corners
    page.run("byId('across').focus()")
    page.press("Home")
    page.run("byId('down').focus()")
    page.press("Home")
    np.testing.assert_allclose(page.run("[...drawing.code()]"), page.run("[...square.corners[0]]"), atol=1e-6)
    page.run("document.querySelector('#samples button:nth-child(3)').focus()")
    page.press("Enter")
    assert page.run("byId('what').textContent") == "Sample 3"


@needs_browser
def test_the_square_follows_the_pointer(page):
    page.run("byId('pad').scrollIntoView()")
    left, top, side, height = page.run(
        "(({x, y, width, height}) => [x, y, width, height])(byId('pad').getBoundingClientRect())"
    )
    page.pointer("mousePressed", left + 0.5 * side, top + 0.5 * height)
    page.pointer("mouseMoved", left + side - 1, top + height - 1)
    page.pointer("mouseReleased", left + side - 1, top + height - 1)
    assert page.run("[byId('across').value, byId('down').value]") == ["100", "100"]
    np.testing.assert_allclose(page.run("[...drawing.code()]"), page.run("[...square.corners[3]]"), atol=1e-6)


@needs_browser
def test_a_file_is_searched_for_and_its_path_can_be_looked_at(page, tmp_path):
    picture = np.zeros((4 * SIZE[0], 6 * SIZE[1], 3), np.uint8)
    picture[:, SIZE[1] : -SIZE[1]] = (200, 100, 50)  # what is left and right of the middle is cut off
    Image.fromarray(picture).save(tmp_path / "my.png")
    document = page.send("DOM.getDocument")["root"]["nodeId"]
    file = page.send("DOM.querySelector", nodeId=document, selector="#file")["nodeId"]
    page.run("byId('steps').value = '50'")
    page.send("DOM.setFileInputFiles", nodeId=file, files=[str(tmp_path / "my.png")])
    page.wait_for("byId('said').textContent")
    assert (pixels(page, "byId('target')") == (200, 100, 50)).all()
    loss = page.run("searching.path.map((one) => one.loss)")
    assert len(loss) == 51
    assert loss[-1] < loss[0]
    assert page.run("byId('loss').textContent") == f"{loss[-1]:.6f}"
    assert f"loss {loss[-1]:.6f}" in page.run("byId('said').textContent")
    assert page.run("document.querySelectorAll('#curves path')[0].getAttribute('d')").count("L") == 50

    page.run("byId('step').focus()")
    page.press("Home")
    assert page.run("[byId('step-text').textContent, byId('loss').textContent]") == ["0", f"{loss[0]:.6f}"]
    assert page.run("byId('z2').textContent") == "0.000"
    page.run("byId('take').click()")
    assert page.run("Math.max(...drawing.code())") == 0

    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    page.send("DOM.setFileInputFiles", nodeId=file, files=[str(tmp_path / "broken.png")])
    page.wait_for("!byId('trouble').hidden")
    assert page.run("byId('trouble').textContent").startswith("broken.png: this browser cannot read it")


@needs_browser
@pytest.mark.parametrize(
    ("event", "carries"), [("DragEvent('drop'", "dataTransfer"), ("ClipboardEvent('paste'", "clipboardData")]
)
def test_an_image_is_dropped_or_pasted(event, carries, page):
    page.run("byId('steps').value = '50'")
    page.run(f"""(async () => {{
      const canvas = new OffscreenCanvas(48, 36);
      canvas.getContext("2d").fillStyle = "rgb(10 200 90)";
      canvas.getContext("2d").fillRect(0, 0, 48, 36);
      const data = new DataTransfer();
      data.items.add(new File([await canvas.convertToBlob()], "my.png", {{ type: "image/png" }}));
      document.body.dispatchEvent(new {event}, {{ {carries}: data, bubbles: true, cancelable: true }}));
    }})()""")
    page.wait_for("byId('said').textContent")
    assert (pixels(page, "byId('target')") == (10, 200, 90)).all()
    assert page.run("byId('trouble').hidden")
    if carries == "dataTransfer":
        page.run(
            "document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: new DataTransfer(), bubbles: true }))"
        )
        assert page.run("byId('trouble').textContent").startswith("That was no file")


@needs_browser
def test_a_held_out_image_is_the_target_and_a_search_stops(page):
    assert page.run("document.querySelectorAll('#held-out button').length") == HELD_OUT
    page.run("byId('steps').value = '2000', document.querySelector('#held-out button:nth-child(2)').click()")
    page.wait_for("searching.path.length > 3")
    np.testing.assert_array_equal(pixels(page, "byId('target')"), held_out()[1])
    page.run("byId('stop').click()")
    page.wait_for("byId('said').textContent")
    assert 3 < page.run("searching.path.length") < 2001
    assert page.run("byId('stop').disabled")


@needs_browser
def test_a_search_ends_the_one_before(page):
    page.run("byId('steps').value = '2000', document.querySelector('#held-out button').click()")
    page.wait_for("searching.path.length > 3")
    assert not page.run("byId('step').disabled")
    page.run("byId('steps').value = '50', document.querySelector('#held-out button:nth-child(3)').click()")
    assert page.run("searching.path.length > 0 || (byId('step').disabled && byId('take').disabled)")
    page.wait_for("byId('said').textContent")
    np.testing.assert_array_equal(pixels(page, "byId('target')"), held_out()[2])
    assert page.run("searching.path.map((one) => one.step)") == list(range(51))
    assert page.run("engine.open.size") == 0  # the first one has ended


@needs_browser
def test_on_a_phone(page):
    page.resize(390, 844, mobile=True)
    assert page.run("document.documentElement.scrollWidth") == 390
    small = "[...document.querySelectorAll('button:not([disabled]), select, input')].filter((e) => e.offsetParent)"
    sizes = page.run(f"{small}.map((e) => e.getBoundingClientRect()).map((box) => Math.min(box.width, box.height))")
    assert min(sizes) >= 24


def test_the_page_of_the_default_network_is_small_and_fetches_nothing(tmp_path):
    run = make_run(tmp_path / "run", image_size=(32, 32), code_size=128, features=64)
    write_page(run, tmp_path / "explore.html")
    text = (tmp_path / "explore.html").read_text()
    assert len(text.encode()) < 4_000_000
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|\bfetch\(|@import|XMLHttp|import\(|\{\{", text)


def test_a_hostile_name_is_text(tmp_path):
    run = make_run(tmp_path / "<script>alert(1)<!--\udcf6")  # and a byte that is no UTF-8
    write_page(run, tmp_path / "explore.html")
    text = (tmp_path / "explore.html").read_text()
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert(1)" not in text
    assert text.count("</script") == 4


def test_the_principal_directions_are_those_of_the_jacobian(tmp_path):
    run = make_run(tmp_path / "run", norm="none")
    values = int(np.prod(SIZE)) * 3
    _, backward = run.network(np.zeros((values, CODE), np.float32))
    jacobian = backward(np.eye(values, dtype=np.float32).reshape(values, *SIZE, 3))
    found = principal_directions(run)[:3]
    np.testing.assert_allclose(found @ found.T, np.eye(3), rtol=0, atol=1e-6)
    # The change of the image along each is compared, not the directions: those of nearly equal values may turn.
    change = np.linalg.norm(jacobian @ found.T, axis=0)
    np.testing.assert_allclose(change, np.linalg.svd(jacobian, compute_uv=False)[:3], rtol=1e-3)


def test_a_run_is_explored(trained, tmp_path, capsys):
    path = tmp_path / "explore.html"
    assert run_script(evaluate.main, ["explore", str(trained), "--out", str(path)]) == 0
    assert capsys.readouterr().out.strip() == str(path)
    facts = json.loads(re.search(r'id="network">(.*?)</script>', path.read_text())[1])
    assert len(facts["held_out"]) == HELD_OUT
    assert len(facts["directions"]) == 6  # a code of six values has no more


def test_the_empty_cells_of_a_small_sets_grid_are_no_held_out_images(trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    config = json.loads((run / "config.json").read_text())
    config["data"]["images"]["running"] = 3
    (run / "config.json").write_text(json.dumps(config))
    assert len(held_out_images(load_generator(run))) == 3


def test_a_damaged_picture_of_the_held_out_images_is_named(trained, tmp_path, capsys):
    run = shutil.copytree(trained, tmp_path / "run")
    picture = run / "reconstructions/targets.png"
    picture.write_bytes(picture.read_bytes()[:300])
    assert run_script(evaluate.main, ["explore", str(run), "--out", str(tmp_path / "page.html")]) == 1
    assert f"cannot read the picture {picture}: delete it" in capsys.readouterr().err


def test_a_page_is_written_where_a_link_leads(trained, tmp_path):
    (tmp_path / "link").symlink_to("page.html")
    assert run_script(evaluate.main, ["explore", str(trained), "--out", str(tmp_path / "link")]) == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "page.html").exists()


def test_the_generator_that_tinygan_brings_is_explored(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_script(evaluate.main, ["explore", "cifar10-wn", "--out", "page.html"]) == 0
    assert capsys.readouterr().out == "page.html\n"
    text = Path("page.html").read_text()
    assert "<title>The generator of cifar10-wn</title>" in text
    assert "9,000 iterations on cifar10" in text
    assert len(text.encode()) < 4_000_000


@needs_browser
def test_the_page_in_the_documentation_draws_as_that_generator_does(browser):
    page = Path(__file__).parents[2] / "docs" / "explore.html"
    assert page.stat().st_size < 4_000_000
    browser.problems.clear()
    browser.open(page)
    browser.wait_for("document.documentElement.dataset.ready")
    codes = rng_for(6, "explore").standard_normal((2, 128)).astype(np.float32)
    for code, expected in zip(codes, load_generator("cifar10-wn")(codes), strict=True):
        drawn = browser.run(f"engine.draw(new Float32Array({code.tolist()})).then((one) => [...one.image])")
        np.testing.assert_allclose(np.reshape(drawn, (32, 32, 3)), expected, atol=1 / 255)
    assert browser.problems == []
