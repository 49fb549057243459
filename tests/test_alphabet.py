"""The alphabet: its networks against Keras's, its outlines, its files, and what its page says.

The scripts run in Node or, where there is none, in Chromium.
"""

import base64
import hashlib
import json
import re
import xml.etree.ElementTree as ElementTree

import alphabet
import browser_network
import live
import numpy as np
import pytest
from live import STATIC, script
from matplotlib.path import Path as Curve
from PIL import Image
from scipy import special
from sources import ROOT

from ganlib import data, works

BOOK = ROOT / "book"
RUN = BOOK / "results" / "art-glyphs"
FILES = ["tfjs/tf-core.min", "tfjs/tf-backend-cpu.min", "live/network", "explorer/latents"]
FILES += [f"alphabet/{name}" for name in ("networks", "weights", "outline", "loop")]
PAGE = (BOOK / "alphabet.md").read_text(encoding="utf-8")
NETWORKS, WEIGHTS = (
    browser_network.read_script(STATIC / "alphabet" / f"{name}.js")
    for name in ("networks", "weights")
)
SET_UPS = live.set_ups("alphabet", PAGE)
ask = live.asking(FILES, "alphabet.js")
open_alphabet = live.opening(PAGE, "ganalphabet", "alphabet-still")
SIDE = NETWORKS["creative"]["imageShape"][0]
DIM, MODES = (NETWORKS["creative"]["inputs"][name][0] for name in ("latents", "modes"))
ALL = "0123456789"


@pytest.fixture(scope="module")
def networks():
    """The networks of the committed run."""
    return alphabet.three(RUN)


def kept():
    """What the tests compare with: latents, modes, and what Keras made of them."""
    with np.load(alphabet.REFERENCE) as file:
        return dict(file)


def given(name):
    """What a network takes in the reference, as the page gives it, and what it then makes."""
    found = kept()
    if name == "styles":
        return {"images": found["creative"].ravel().tolist()}, found["styles"]
    hot = np.eye(MODES)[found["modes"]]
    inputs = {"latents": found["latents"].ravel().tolist(), "modes": hot.ravel().tolist()}
    return inputs, found[name]


# ------------------------------------------------------------------------------- the files


@pytest.mark.parametrize("name", alphabet.FILES)
def test_the_weights_are_those_that_the_description_names(name):
    numbers = base64.b64decode(WEIGHTS[name])
    sizes = [np.prod(shape, dtype=int) for shape in NETWORKS[name]["shapes"].values()]
    assert len(numbers) == 3 * sum(sizes)
    assert hashlib.sha256(numbers).hexdigest() == NETWORKS[name]["sha256"]


def test_the_networks_are_those_of_the_committed_run(networks):
    run = json.loads((RUN / "run.json").read_text(encoding="utf-8"))
    assert NETWORKS["run"] == browser_network.origin(run)
    described, weights = alphabet.scripts(networks)
    assert {"run": NETWORKS["run"], **json.loads(json.dumps(described))} == NETWORKS
    assert weights == WEIGHTS
    name = NETWORKS["run"]["name"]
    assert f"make run RUN={name}\n" in PAGE and f"outputs/{name}\n" in PAGE


def six_of_the_chapter():
    """The typefaces that the networks have learnt, as the chapter names them."""
    cells = json.loads((BOOK / "art.ipynb").read_text(encoding="utf-8"))["cells"]
    text = "".join(line for cell in cells for line in cell["source"])
    return re.findall(r'"([\w-]+)"', re.search(r"SIX = .*\nSIX \+= .*", text)[0])


def test_the_reader_has_the_typefaces_of_the_chapter():
    six, typefaces = six_of_the_chapter(), data.load("glyphs").typeface_names
    order = sorted(six, key=typefaces.index)  # as the chapter's classes are
    known = dict(zip(six, alphabet.NAMES, strict=True))
    assert [known[name] for name in order] == NETWORKS["names"]
    shown = re.findall(r'<span>([^<]+)</span><meter data-alphabet="share"', PAGE)
    assert shown == NETWORKS["names"]


def test_its_scripts_are_small():
    files = [path for path in (STATIC / "alphabet").iterdir() if path.suffix == ".js"]
    assert sum(path.stat().st_size for path in files) < 1_700_000


# ---------------------------------------------------------------------------- the networks


@pytest.mark.parametrize("name", alphabet.FILES)
def test_the_browsers_numbers_are_those_of_keras(ask, networks, name):
    inputs, expected = given(name)
    found = ask("run", name=name, inputs=inputs)
    assert found["left"] == 0  # tensors that nobody would ever free
    numbers = np.frombuffer(base64.b64decode(found["made"]), "float32")
    assert np.ptp(expected) > 1.9
    assert np.abs(numbers - expected.ravel()).max() < 1e-3
    there = kept()
    if name != "styles":
        again = networks[name].predict([there["latents"], there["modes"]], verbose=0)
        np.testing.assert_allclose(again, expected, atol=1e-4)


def test_shares_are_those_of_logits(ask):
    logits = np.array([1.0, -2, 0.5, 900])
    p, unsure = ask("shares", logits=logits.tolist())
    assert p == pytest.approx(special.softmax(logits)) and unsure == pytest.approx(0)
    p, unsure = ask("shares", logits=[3.0] * 6)
    assert unsure == pytest.approx(1)
    p, unsure = ask("shares", logits=[0, 1, 2])
    assert unsure == pytest.approx(special.entr(special.softmax([0, 1, 2])).sum() / np.log(3))


# -------------------------------------------------------------------------------- the loop


def test_the_loop_is_a_circle_on_the_sphere(ask):
    axes = np.array(ask("axes", seed=5, count=DIM))
    np.testing.assert_allclose(axes @ axes.T, DIM * np.eye(3), atol=1e-9)
    assert ask("axes", seed=5, count=DIM) == axes.tolist() != ask("axes", seed=6, count=DIM)
    times, angle = np.linspace(0, 1, 9), 0.7
    z = np.array(ask("latents", axes=axes.tolist(), times=times.tolist(), angle=angle, radius=1.5))
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1.5 * np.sqrt(DIM), atol=1e-9)
    np.testing.assert_allclose(z[0], z[-1], atol=1e-9)
    np.testing.assert_allclose(z @ axes[0] / DIM, 1.5 * np.cos(angle), atol=1e-9)
    np.testing.assert_allclose(z[2] @ axes[2] / DIM, 1.5 * np.sin(angle), atol=1e-9)


@pytest.mark.slow
def test_the_middle_of_loops_is_a_usual_latent(ask):
    first = np.array([ask("axes", seed=seed, count=DIM)[0] for seed in range(40)])
    assert np.abs(first.mean()) < 0.1 and first.var() == pytest.approx(1, abs=0.05)
    assert np.abs(np.corrcoef(first) - np.eye(40)).max() < 0.75


# ---------------------------------------------------------------------------- the outlines


def inside(rings, zoom=8):
    """Which points of an image are within its rings, by the rule of even and odd."""
    at = (np.arange(SIDE * zoom) + 0.5) / zoom
    points = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)
    crossed = np.zeros(len(points), int)
    for ring in rings:
        crossed += Curve(np.array([*ring, ring[0]])).contains_points(points)
    return crossed.reshape(SIDE * zoom, -1) % 2 == 1


@pytest.mark.parametrize("digit", range(10))
def test_outlines_are_those_of_the_library(ask, digit):
    image = data.to_uint8(kept()["creative"][digit])
    found = ask("outline", image=data.scale(image).ravel().tolist(), side=SIDE)
    ours, theirs = inside(found), inside(works.outline(image))
    assert (ours & theirs).sum() / (ours | theirs).sum() > 0.96
    steps = [np.linalg.norm(np.diff([*ring, ring[0]], axis=0), axis=1) for ring in found]
    assert max(length.max() for length in steps) < 0.75


def test_a_ring_and_a_hole_and_corners_that_touch(ask):
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    distance = np.hypot(x - 14, y - 14)
    image = np.clip(2 * np.minimum(distance - 5, 10 - distance), -1, 1)
    rings = [np.array(ring) for ring in ask("outline", image=image.ravel().tolist(), side=SIDE)]
    radii = sorted(np.hypot(*(ring - 14).T).mean() for ring in rings)
    assert radii == pytest.approx([5, 10], abs=0.1)
    board = np.where((x // 7 + y // 7) % 2 > 0, 1.0, -1.0)
    found = inside(ask("outline", image=board.ravel().tolist(), side=SIDE))
    assert found.mean() == pytest.approx(0.5, abs=0.05)
    assert ask("outline", image=[0.5] * SIDE**2, side=SIDE) == []
    whole = np.full((SIDE, SIDE), -1.0)
    whole[:, :3] = 1  # ink at the edge of the image is closed there
    (ring,) = ask("outline", image=whole.ravel().tolist(), side=SIDE)
    assert inside([ring]).mean() == pytest.approx(3 / SIDE, abs=0.02)


# ------------------------------------------------------------------------------- the files


def test_the_svg_says_what_it_is(ask, tmp_path):
    images = [x.ravel().tolist() for x in kept()["creative"][:3]]
    about = {"title": 'a "title" & <more>', "seed": "3"}
    text = ask(
        "svg", images=images, side=SIDE, text="012", about=about, lines=["seed 3 & more", "whose"]
    )
    (tmp_path / "x.svg").write_text(text, encoding="utf-8")
    assert works.read_about(tmp_path / "x.svg") == about
    root = ElementTree.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}path")) == 3
    lines = root.findall(f"{space}text")
    assert [line.text for line in lines] == ["seed 3 & more", "whose"]
    assert 24 < float(lines[0].get("y")) < float(lines[1].get("y"))
    assert root.find(f"{space}title").text == about["title"]
    width, height = map(float, root.get("viewBox").split()[2:])
    for path in root.findall(f"{space}path"):
        numbers = np.array(re.findall(r"-?[\d.]+", path.get("d")), float).reshape(-1, 2)
        assert (numbers > 0).all() and (numbers < (width, height)).all()


def test_the_layout_has_rows_of_five(ask):
    found = ask("layout", text=ALL)
    places, (width, height) = np.array(found["places"]), found["size"]
    assert len(set(places[:, 0])) == 5 and len(set(places[:, 1])) == 2
    assert (places[:, 0] + SIDE < width).all() and (places[:, 1] + SIDE < height).all()
    assert ask("layout", text="7")["size"][0] < width


# --------------------------------------------------------------- what the page says happens


def test_the_pages_numbers_are_those_of_the_run():
    found = alphabet.measured(json.loads((RUN / "metrics.json").read_text(encoding="utf-8")))
    assert browser_network.said(PAGE, alphabet.SENTENCES, found) == PAGE
    with pytest.raises(ValueError, match="does not say once"):
        browser_network.said(PAGE.replace("radius", "width"), alphabet.SENTENCES, found)


def test_of_other_typefaces_the_reader_is_as_unsure_as_the_page_says(networks):
    glyphs = data.load("glyphs")
    logits = networks["styles"].predict(data.scale(glyphs.images[:]), batch_size=500, verbose=0)
    unsure = special.entr(special.softmax(logits, axis=1)).sum(axis=1) / np.log(6)
    six = six_of_the_chapter()
    others = [k for k, name in enumerate(glyphs.typeface_names) if name not in six]
    means = [100 * unsure[glyphs.typefaces == k].mean() for k in others]
    assert len(means) == 12 and f"by {min(means):.0f}% to {max(means):.0f}%" in PAGE


# ------------------------------------------------------------------------------ in the page


def part(page, name):
    return page.locator(f'[data-alphabet="{name}"]')


def pixels(page, name="sheet", nth=0):
    """What a canvas shows once all is painted, as grey."""
    page.evaluate("ganalphabet.page.idle()")
    canvas = part(page, name).nth(nth)
    canvas = canvas if name == "sheet" else canvas.locator("canvas")
    found = live.pixels(canvas)
    assert (found[..., 3] == 255).all()
    return found[..., :3].mean(axis=-1)


def status(page):
    page.evaluate("ganalphabet.page.idle()")
    return part(page, "status").inner_text()


def differ(a, b):
    return np.abs(a - b).max()


@pytest.mark.parametrize("backend", ["wasm", "cpu"])
def test_the_pages_numbers_are_those_of_keras(open_alphabet, backend):
    page = open_alphabet()
    assert page.evaluate("tf.getBackend()") == "wasm"
    run = """async ({name, inputs, backend}) => {
        const {networks, weights} = ganalphabet;
        const network = await ganlive.load(networks[name], weights[name], backend);
        return [tf.getBackend(), Array.from(network.images(inputs))];
    }"""
    for name in alphabet.FILES:
        inputs, expected = given(name)
        used, found = page.evaluate(run, {"name": name, "inputs": inputs, "backend": backend})
        assert used == backend
        assert np.abs(np.array(found) - expected.ravel()).max() < 1e-3


def test_without_webassembly_it_draws_all_the_same(open_alphabet):
    page = open_alphabet(without_wasm=True)
    assert page.evaluate("tf.getBackend()") == "cpu"
    assert np.ptp(pixels(page)) > 150


@pytest.mark.parametrize("network", ["creative", "plain"])
def test_the_page_shows_what_keras_makes(open_alphabet, networks, network):
    page = open_alphabet()
    assert page.is_hidden("#alphabet-still")
    settings = {"network": network, "seed": 8, "loop": 60, "radius": 1.2, "place": 0.3}
    page.evaluate("(it) => ganalphabet.page.setUp(it)", settings)
    z = np.array(page.evaluate("ganalphabet.page.latent(ganalphabet.page.settings())"), "float32")
    assert np.linalg.norm(z) == pytest.approx(1.2 * np.sqrt(DIM), rel=1e-5)
    modes = np.arange(10) * (MODES // 10)
    expected = networks[network].predict([np.repeat(z[None], 10, axis=0), modes], verbose=0)
    sheet = pixels(page)
    dark, light = sheet.min(), sheet.max()
    found = page.evaluate("ganalphabet.layout('0123456789')")
    scale = sheet.shape[1] / found["size"][0]
    for digit, (x, y) in enumerate(found["places"]):
        drawn = inside(works.outline(data.to_uint8(expected)[digit]))
        rows, columns = ((np.arange(SIDE * 8) + 0.5) / 8 + at for at in (y, x))
        on_sheet = sheet[np.ix_((rows * scale).astype(int), (columns * scale).astype(int))]
        cut = slice(8 * 4, -8 * 4)  # the cells overlap in their empty margins
        ink = on_sheet[cut, cut] < (dark + light) / 2
        assert (ink & drawn[cut, cut]).sum() / (ink | drawn[cut, cut]).sum() > 0.85
    logits = networks["styles"].predict(expected, verbose=0)
    shares = special.softmax(logits, axis=1).mean(axis=0)
    values = part(page, "share").evaluate_all("all => all.map((e) => e.value)")
    assert values == pytest.approx(shares, abs=0.01)
    assert f"read as {NETWORKS['names'][shares.argmax()]} with " in status(page)


@pytest.mark.parametrize(
    "name, value", [("place", "0.5"), ("loop", "90"), ("radius", "1.8"), ("seed", "12")]
)
def test_controls_change_the_sheet_and_change_it_back(open_alphabet, name, value):
    page = open_alphabet()
    first = pixels(page)
    control = part(page, name)
    before = control.input_value()
    control.fill(value)
    assert differ(pixels(page), first) > 100
    control.fill(before)
    assert differ(pixels(page), first) == 0


def test_a_loop_of_no_size_stands_still(open_alphabet):
    page = open_alphabet()
    part(page, "loop").fill("0")
    first = pixels(page)
    part(page, "place").fill("0.4")
    assert differ(pixels(page), first) == 0


def test_only_digits_are_set(open_alphabet):
    page = open_alphabet()
    part(page, "text").fill("20 x 26")
    assert page.evaluate("ganalphabet.page.settings().text") == "2026"
    part(page, "text").fill("none")
    assert page.evaluate("ganalphabet.page.settings().text") == ALL


def test_the_film_plays_and_pauses(open_alphabet):
    page = open_alphabet(reduced_motion="reduce")
    assert not page.evaluate("ganalphabet.page.playing()")  # nothing moves before it is asked to
    first = part(page, "place").input_value()
    part(page, "play").click()
    assert part(page, "play").inner_text() == "Pause"
    page.wait_for_function(
        f"document.querySelector('[data-alphabet=place]').value > {first} + 0.05"
    )
    part(page, "play").click()
    assert part(page, "play").inner_text() == "Play" and "Paused. Now: " in status(page)
    place = part(page, "place").input_value()
    page.wait_for_timeout(200)
    assert part(page, "place").input_value() == place


def test_stills_are_places_of_the_loop(open_alphabet):
    page = open_alphabet()
    stills = [pixels(page, "still", k) for k in range(8)]
    assert all(differ(a, b) > 50 for a, b in zip(stills, stills[1:], strict=False))
    part(page, "still").nth(3).click()
    assert float(part(page, "place").input_value()) == pytest.approx(3 / 8, abs=0.006)
    assert "place 0.38" in status(page) or "place 0.37" in status(page)


def test_the_svg_is_left(open_alphabet, tmp_path):
    page = open_alphabet()
    page.evaluate("ganalphabet.page.setUp({seed: 4, text: '1808', place: 0.25})")
    with page.expect_download() as waiting:
        part(page, "svg").click()
    assert waiting.value.suggested_filename == "numerals-creative-4.svg"
    waiting.value.save_as(tmp_path / "x.svg")
    about = works.read_about(tmp_path / "x.svg")
    assert {"seed": "4", "place": "0.25", "text": "1808", "network": "creative"}.items() <= (
        about.items()
    )
    assert about["digital source type"] == "trainedAlgorithmicMedia"
    drawing = (tmp_path / "x.svg").read_text("utf-8")
    assert drawing.count("<path ") == 4
    run = json.loads((RUN / "run.json").read_text(encoding="utf-8"))
    revision = run["git"]["revision"]
    assert about["revision"] == revision and about["licence"] == "CC BY 4.0"
    assert f">network art-glyphs, revision {revision[:7]}, CC BY 4.0</text>" in drawing
    assert ">seed 4, creative GAN, place 0.25, " in drawing
    assert "The SVG is saved." in status(page)


def test_a_round_is_recorded(open_alphabet, tmp_path):
    page = open_alphabet()
    if not page.evaluate("Boolean(window.MediaRecorder)"):
        assert part(page, "record").is_hidden()
        return
    page.evaluate("ganalphabet.page.setUp({speed: 2})")
    with page.expect_download() as waiting:
        part(page, "record").click()
        assert part(page, "record").inner_text() == "Stop recording"
    name = waiting.value.suggested_filename
    assert re.fullmatch(r"numerals-creative-7\.(webm|mp4)", name)
    waiting.value.save_as(tmp_path / name)
    start = (tmp_path / name).read_bytes()[:12]
    assert start[:4] == b"\x1a\x45\xdf\xa3" or start[4:8] == b"ftyp"
    assert (tmp_path / name).stat().st_size > 5000
    page.wait_for_function(
        "document.querySelector('[data-alphabet=status]').innerText.includes('saved')"
    )
    part(page, "record").click()
    part(page, "record").click()
    page.wait_for_function(
        "document.querySelector('[data-alphabet=status]').innerText.includes('given up')"
    )
    assert part(page, "record").inner_text() == "Record a round"


def test_without_a_recorder_there_is_no_button(open_alphabet, browser):
    page = open_alphabet()
    page.add_init_script("delete window.MediaRecorder")
    page.reload()
    page.wait_for_function("ganalphabet.page")
    assert part(page, "record").is_hidden() and part(page, "svg").is_visible()


def test_it_can_be_used_with_the_keyboard_alone(open_alphabet):
    page = open_alphabet()
    reached = []
    for _ in range(22):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.dataset.alphabet"))
    asked = {"play", "place", "new", "seed", "text", "loop", "radius", "speed", "svg", "record"}
    assert asked <= set(reached) and reached.count("still") == 8
    part(page, "play").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("ganalphabet.page.playing()")
    page.keyboard.press(" ")
    assert not page.evaluate("ganalphabet.page.playing()")
    part(page, "place").focus()
    before = float(part(page, "place").input_value())
    page.keyboard.press("ArrowRight")
    assert float(part(page, "place").input_value()) == pytest.approx((before + 0.01) % 1, abs=1e-6)
    part(page, "new").focus()
    page.keyboard.press("Enter")
    assert part(page, "seed").input_value() == "8" and "seed 8, " in status(page)


def test_everything_that_the_text_proposes_can_be_set_up(open_alphabet):
    page = open_alphabet()
    assert len(SET_UPS) == PAGE.count("data-alphabet-set-up") == 3
    for name, settings in SET_UPS.items():
        page.click(f'[data-name="{name}"]')
        assert "alphabet-first" in page.evaluate("document.activeElement.className")
        assert f"seed {settings['seed']}, {settings.get('network', 'creative')} GAN" in status(page)


def test_it_fits_a_phone(open_alphabet):
    page = open_alphabet(width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    buttons = page.locator("#alphabet-live :is(button, .live-choices label)").all()
    boxes = [button.bounding_box() for button in buttons]
    assert min(min(box["width"], box["height"]) for box in boxes) >= 44  # a thumb's size


def test_without_javascript_the_figure_stands(open_alphabet):
    page = open_alphabet(java_script_enabled=False)
    assert page.is_visible("#alphabet-still") and page.is_hidden("#alphabet-live")
    assert not page.locator(".live-set-up button:visible").count()


def test_the_still_is_a_picture():
    with Image.open(STATIC / "alphabet" / "still.png") as still:
        assert still.size[0] > 600


def test_the_scripts_of_the_page_are_those_that_are_there():
    loaded = re.findall(r'src="\.\./_static/([\w/.-]+)\.js"', PAGE)
    assert set(FILES) <= set(loaded)
    assert all(script(name) for name in loaded)
