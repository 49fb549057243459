"""The translator: its images against Keras's, its pen, and what its page says of both.

The scripts run in Node or, where there is none, in Chromium.
"""

import base64
import hashlib
import json
import re

import browser_network
import keras
import live
import numpy as np
import pytest
import translator
from keras import layers, ops
from live import STATIC, script
from scipy import stats
from sources import ROOT

from ganlib import data, models
from ganlib.data import pairs, to_uint8

BOOK = ROOT / "book"
RUN = BOOK / "results" / "unpaired-typefaces"
OTHER = {"there": "back", "back": "there"}
FILES = ["tfjs/tf-core.min", "tfjs/tf-backend-cpu.min", "live/network", "explorer/latents"]
FILES += [f"translator/{name}" for name in ("networks", "weights", "digits", "pen")]
PAGE = (BOOK / "translator.md").read_text(encoding="utf-8")
NETWORKS, WEIGHTS, DIGITS = (
    browser_network.read_script(STATIC / "translator" / f"{name}.js")
    for name in ("networks", "weights", "digits")
)
SET_UPS = live.set_ups("translator", PAGE)
ask = live.asking(FILES, "translator.js")
open_translator = live.opening(PAGE, "gantranslator", "translator-still")
SIDE = NETWORKS["there"]["imageShape"][0]
NUMBER = r"\d[\d,]*(?:\.\d+)?"


@pytest.fixture(scope="module")
def networks():
    """The networks of the committed run."""
    return translator.both(RUN)


def kept(way):
    """What the tests compare with: images uint8, and what Keras made of them."""
    with np.load(translator.REFERENCE) as file:
        return file[f"{way}_in"], file[f"{way}_out"]


def digits(way):
    """The page's examples, uint8 (10, SIDE, SIDE, 1)."""
    return np.frombuffer(base64.b64decode(DIGITS[way]), np.uint8).reshape(10, SIDE, SIDE, 1)


def made(ask, images, shape, **details):
    """Images that the scripts make, float32."""
    found = ask("images", images=images.ravel().tolist(), **details)
    assert found["left"] == 0  # tensors that nobody would ever free
    return np.frombuffer(base64.b64decode(found["images"]), "float32").reshape(-1, *shape)


def scrambled(model, seed=0):
    """The model with weights that are not its first ones, the statistics of its norms too."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        spread = 0.5 + rng.random(variable.shape)
        if "seed" not in variable.path:
            fan_in = np.prod(variable.shape[:-1]) if len(variable.shape) > 1 else 1
            variable.assign(spread if "variance" in variable.path else (spread - 1) / fan_in**0.3)
    return model


# ------------------------------------------------------------------------------- the files


@pytest.mark.parametrize("way", OTHER)
def test_the_weights_are_those_that_the_description_names(way):
    numbers = base64.b64decode(WEIGHTS[way])
    sizes = [np.prod(shape, dtype=int) for shape in NETWORKS[way]["shapes"].values()]
    assert len(numbers) == 4 * sum(sizes)
    assert hashlib.sha256(numbers).hexdigest() == NETWORKS[way]["sha256"]


def test_the_networks_are_those_of_the_committed_run(networks):
    run = json.loads((RUN / "run.json").read_text(encoding="utf-8"))
    assert NETWORKS["run"] == browser_network.origin(run)
    for way, model in networks.items():
        description, numbers = browser_network.network(model, images=model.input_shape[1:])
        assert NETWORKS[way] == {**description, "pen": NETWORKS[way]["pen"]}
        assert WEIGHTS[way] == browser_network.in_base64(numbers)
    name = NETWORKS["run"]["name"]
    assert f"make run RUN={name}\n" in PAGE and f"outputs/{name}\n" in PAGE


def test_its_scripts_are_small():
    files = [path for path in (STATIC / "translator").iterdir() if path.suffix == ".js"]
    assert sum(path.stat().st_size for path in files) < 1_000_000


def test_the_examples_are_new_digits_of_both_typefaces():
    for way, images in translator.examples(SIDE).items():
        np.testing.assert_array_equal(digits(way), images)
    assert NETWORKS["run"]["parameters"]["seed"] != translator.SEED
    labels = pairs.typefaces(1000, seed=translator.SEED, side=SIDE).sources.labels
    firsts = [int(np.argmax(labels == digit)) for digit in range(10)]
    assert sorted(labels[firsts]) == list(range(10))


# ----------------------------------------------------------------------------- the images


@pytest.mark.parametrize("way", OTHER)
def test_the_browsers_images_are_those_of_keras(ask, networks, way):
    given, expected = kept(way)
    found = made(ask, data.scale(given), given.shape[1:], way=way)
    assert expected.min() < -0.99 and expected.max() > 0.9
    assert np.abs(found - expected).max() < 1e-3
    again = networks[way].predict(data.scale(given), verbose=0)
    np.testing.assert_allclose(again, expected, atol=1e-4)


TRANSLATORS = {
    "residual": lambda: models.translation.residual((16, 20, 3), 1, width=3, blocks=2),
    "unet": lambda: models.translation.unet((16, 32, 1), 3, width=3),
    "unet of instance norm": lambda: models.translation.unet((8, 8, 2), width=4, norm="instance"),
    "unet without norm": lambda: models.translation.unet((28, 28, 1), width=4, norm=None),
}


@pytest.fixture(scope="module", params=TRANSLATORS)
def random(request):
    """A translator with random weights, as the page takes it; images, and Keras's answer."""
    model = scrambled(TRANSLATORS[request.param]())
    description, numbers = browser_network.network(model, images=model.input_shape[1:])
    images = np.random.default_rng(1).uniform(-1, 1, (3, *model.input_shape[1:]))
    images = images.astype("float32")
    expected = model.predict(images, verbose=0)
    assert np.ptp(expected) > 0.1 and expected.std(axis=0).max() > 0.005
    weights = browser_network.in_base64(numbers)
    return images, expected, {"description": description, "weights": weights}


def test_any_translator_is_translated(ask, random):
    images, expected, details = random
    found = made(ask, images, expected.shape[1:], **details)
    assert np.abs(found - expected).max() < 1e-3


def refused(layer):
    x = keras.Input((8, 8, 4))
    return keras.Model(x, layer(x))


@pytest.mark.parametrize(
    "layer",
    [
        lambda x: layers.Conv2D(4, 3, padding="same", dilation_rate=2, name="last")(x),
        lambda x: layers.Conv2D(4, 3, groups=2, name="last")(x),
        lambda x: layers.Conv2DTranspose(4, 3, padding="valid", name="last")(x),
        lambda x: layers.GroupNormalization(2, name="last")(x),
        lambda x: layers.Activation("sigmoid", name="last")(x),
    ],
)
def test_what_no_step_stands_for_is_named(layer):
    with pytest.raises(ValueError, match=r"no step for \w+ \(last\)"):
        browser_network.Translation(refused(layer), ["images"])


def test_a_padding_that_mirrors_nothing_is_refused():
    model = refused(lambda x: ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]))
    with pytest.raises(ValueError, match="no step for Pad"):
        browser_network.Translation(model, ["images"])


# --------------------------------------------------------------------------------- the pen


def ink_of(strokes, radius, side):
    """The ink of strokes, by as many points on each line that their distance is the line's."""
    row, column = np.mgrid[:side, :side] + 0.5
    nearest = np.full((side, side), np.inf)
    for points in strokes:
        for a, b in zip(points, points[1:] or points, strict=False):
            for t in np.linspace(0, 1, 2001):
                x, y = (1 - t) * np.array(a) + t * np.array(b)
                nearest = np.minimum(nearest, np.hypot(column - x, row - y))
    return np.rint(255 * np.clip(0.5 + (radius - nearest) / 1.2, 0, 1)) / 255


def test_the_ink_falls_off_with_the_distance(ask):
    strokes = [[[5, 6], [20.5, 6], [13, 22.25]], [[3, 25]], [[27, 27], [27, 27], [31, 20]]]
    found = np.array(ask("ink", strokes=strokes, radius=1.4, side=28)).reshape(28, 28)
    np.testing.assert_allclose(found, ink_of(strokes, 1.4, 28), atol=1.5 / 255)
    assert found.max() == 1 and np.unique(found).size > 20
    assert not np.any(ask("ink", strokes=[], radius=1.4, side=28))


def test_the_ink_of_a_stroke_that_grows_is_that_of_the_whole(ask):
    points, lengths = np.random.default_rng(0).uniform(-3, 31, (40, 2)).tolist(), [1, 2, 3, 3, 20]
    lengths, radii = [*lengths, 40, 40], [1.4, 1.4, 1.4, 2, 2, 1.4, 2]  # turned round in between
    found = ask("growing", points=points, lengths=lengths, radii=radii, side=28)
    for image, length, radius in zip(found, lengths, radii, strict=True):
        whole = ask("ink", strokes=[points[:length]], radius=radius, side=28)
        assert image == whole


@pytest.mark.parametrize("way", OTHER)
def test_the_pen_is_as_thick_as_the_stem_of_a_one(ask, way):
    radius = NETWORKS[way]["pen"]
    stroke = [[[SIDE / 2 + 0.3, 2], [SIDE / 2 + 0.3, SIDE - 2]]]
    drawn = np.reshape(ask("ink", strokes=stroke, radius=radius, side=SIDE), (SIDE, SIDE))
    made = pairs.typefaces(2000, seed=0, side=SIDE)
    digits = made.sources if way == "there" else made.targets
    ones = digits.images[digits.labels == 1][..., 0] / 255
    rows = slice(SIDE * 12 // 28, SIDE * 16 // 28)
    thick = ones[:, rows].sum(axis=2).mean()
    assert drawn[rows].sum(axis=1) == pytest.approx(thick, abs=0.1 * SIDE / 28)


def test_strokes_are_taken_back_one_by_one(ask):
    acts = [["begin", 3, 3], ["extend", 4, 4], ["extend", 5, 5], ["begin", 9, 9], ["undo"]]
    acts += [["show", 7], ["begin", 1, 1], ["show", None], ["undo"], ["undo"], ["undo"], ["undo"]]
    acts += [["undo"]]
    papers = [(None, [1]), (None, [2]), (None, [3]), (None, [3, 1]), (None, [3])]
    papers += [(7, []), (7, [1]), (None, []), (7, [1]), (7, []), (None, [3]), (None, [])]
    papers += [(None, [])]
    found = ask("drawing", acts=acts)
    assert [(example, strokes) for example, strokes, _ in found] == papers
    undone = [said for (name, *_), (*_, said) in zip(acts, found, strict=True) if name == "undo"]
    assert undone == [True] * 5 + [False]


def test_strokes_lie_upon_an_example(ask):
    example, strokes = digits("there")[4].ravel() / 255, [[[2, 2], [SIDE - 2, 2]]]
    found = ask("image", strokes=strokes, radius=1.4, side=SIDE, ink=example.tolist())
    drawn = np.array(ask("ink", strokes=strokes, radius=1.4, side=SIDE))
    np.testing.assert_allclose(found, 2 * np.maximum(drawn, example) - 1, atol=1e-6)
    assert ask("apart", a=[1, 0, -1], b=[0, 0.5, 1]) == pytest.approx(3.5 / 3)


def test_noise_is_normal_and_its_seeds(ask):
    noise = np.array(ask("normal", count=5000, seed=0))
    assert stats.kstest(noise, "norm").pvalue > 0.01
    assert ask("normal", count=5, seed=0) == noise[:5].tolist() != ask("normal", count=5, seed=1)
    image = np.linspace(-1, 1, 50)
    found = ask("noisy", image=image.tolist(), deviation=0.3, noise=noise[:50].tolist())
    assert found == pytest.approx(np.clip(image + 0.3 * noise[:50], -1, 1), abs=1e-9)


# --------------------------------------------------------------- what the page says happens


def test_the_pages_numbers_are_those_of_its_networks(networks):
    measured, sentences = translator.measured(networks), translator.SENTENCES
    found = browser_network.said(PAGE, sentences, measured)
    assert re.sub(NUMBER, "", found) == re.sub(NUMBER, "", PAGE)
    numbers = [
        [float(number.replace(",", "")) for number in re.findall(NUMBER, text)]
        for text in (found, PAGE)
    ]
    assert numbers[0] == pytest.approx(numbers[1], abs=0.0015, rel=1e-3)  # they are rounded
    with pytest.raises(ValueError, match="does not say once: the way from"):
        browser_network.said(PAGE.replace("the way from", "a way from"), sentences, measured)


# ------------------------------------------------------------------------------ in the page


def part(page, name):
    return page.locator(f'[data-translator="{name}"]')


def shown(page, name):
    """What a canvas shows once all is computed, uint8 (SIDE, SIDE, 1)."""
    page.evaluate("gantranslator.page.idle()")
    found = live.pixels(part(page, name))
    assert (found[..., 3] == 255).all() and (found[..., 0] == found[..., 1]).all()
    return found[..., :1]


def status(page):
    page.evaluate("gantranslator.page.idle()")
    return part(page, "status").inner_text()


def differ(a, b):
    return np.abs(a.astype(int) - b).max()


def strokes(page):
    """The strokes on the paper."""
    return page.evaluate("gantranslator.page.drawing.strokes")


def scaled(*points):
    """Points of a square of 28 pixels a side in the paper's."""
    return [(x * SIDE / 28, y * SIDE / 28) for x, y in points]


def places(page, *points):
    """Where points of a square of 28 pixels a side are in the window."""
    box = part(page, "paper").bounding_box()
    return [
        (box["x"] + x / 28 * box["width"], box["y"] + y / 28 * box["height"]) for x, y in points
    ]


@pytest.mark.parametrize("backend", ["wasm", "cpu"])
def test_the_pages_numbers_are_those_of_keras(open_translator, backend):
    page = open_translator()
    assert page.evaluate("tf.getBackend()") == "wasm"
    run = """async ({way, images, backend}) => {
        const {networks, weights} = gantranslator;
        const network = await ganlive.load(networks[way], weights[way], backend);
        return [tf.getBackend(), Array.from(network.images({images}))];
    }"""
    for way in OTHER:
        given, expected = kept(way)
        images = data.scale(given).ravel().tolist()
        used, found = page.evaluate(run, {"way": way, "images": images, "backend": backend})
        assert used == backend
        assert np.abs(np.array(found) - expected.ravel()).max() < 1e-3


def test_any_translator_runs_in_webassembly(open_translator, random):
    images, expected, details = random
    run = """async ({images, description, weights}) => {
        const network = await ganlive.load(description, weights);
        return [tf.getBackend(), Array.from(network.images({images}))];
    }"""
    page = open_translator()
    used, found = page.evaluate(run, {"images": images.ravel().tolist(), **details})
    assert used == "wasm"
    assert np.abs(np.array(found) - expected.ravel()).max() < 1e-3


def test_without_webassembly_it_translates_all_the_same(open_translator):
    page = open_translator(without_wasm=True)
    assert page.evaluate("tf.getBackend()") == "cpu"
    assert np.ptp(shown(page, "translated")) > 150


def test_without_the_file_of_webassembly_it_translates_all_the_same(open_translator):
    page = open_translator(missing=["tf-backend-wasm.min.js"])
    page.complaints.clear()  # that a file is missing
    assert page.evaluate("tf.getBackend()") == "cpu"
    assert np.ptp(shown(page, "translated")) > 150


@pytest.mark.parametrize("way", OTHER)
def test_the_page_shows_what_keras_makes(open_translator, networks, way):
    page = open_translator()
    assert page.is_hidden("#translator-still")
    page.check(f'[name=translator-way][value="{way}"]')
    part(page, "noise").fill("0.2")
    for digit in (3, 8):
        part(page, "example").nth(digit).click()
        paper = digits(way)[[digit]]
        assert differ(shown(page, "paper"), paper[0]) == 0
        translated = networks[way].predict(data.scale(paper), verbose=0)
        assert differ(shown(page, "translated"), to_uint8(translated)[0]) <= 1
        assert differ(shown(page, "right"), digits(OTHER[way])[digit]) == 0
        noisy = np.float32(page.evaluate("Array.from(gantranslator.page.images().noisy)"))
        noisy = noisy.reshape(translated.shape)
        noise = np.reshape(page.evaluate(f"gantranslator.normal({SIDE**2}, 0)"), noisy.shape)
        np.testing.assert_allclose(noisy, np.clip(translated + 0.2 * noise, -1, 1), atol=1e-3)
        assert differ(shown(page, "noisy"), to_uint8(noisy)[0]) <= 1
        returned = networks[OTHER[way]].predict(noisy, verbose=0)
        assert differ(shown(page, "returned"), to_uint8(returned)[0]) <= 1
        right = data.scale(digits(OTHER[way])[[digit]])
        off = [
            translator.apart(*both)[0]
            for both in ((translated, right), (returned, data.scale(paper)))
        ]
        assert f"Example {digit}; translated, {off[0]:.3f} from the answer" in status(page)
        assert f"{off[1]:.3f} away" in part(page, "returned-apart").inner_text()
        pressed = part(page, "example").evaluate_all("all => all.map((e) => e.ariaPressed)")
        assert pressed == [str(i == digit).lower() for i in range(10)]


def test_a_mouse_draws(open_translator):
    page = open_translator()
    part(page, "clear").click()
    assert not shown(page, "paper").any()
    assert "An empty paper" in status(page)
    before = shown(page, "translated")
    (x, y), *rest = places(page, (7, 6), (20, 6), (13, 23))
    page.mouse.move(x, y)
    page.mouse.down()
    for x, y in rest:
        page.mouse.move(x, y, steps=12)
    page.mouse.up()
    page.mouse.move(*places(page, (2, 2))[0])  # the pen is up
    assert "Your drawing, 1 stroke;" in status(page)
    (stroke,) = strokes(page)
    assert len(stroke) > 20 and stroke[-1] == pytest.approx(*scaled((13, 23)), abs=0.2)
    line = scaled((7, 6), (20, 6), (13, 23))
    expected = 255 * ink_of([line], NETWORKS["there"]["pen"], SIDE)
    assert differ(shown(page, "paper")[..., 0], expected) <= 25  # the window has whole pixels
    assert differ(shown(page, "translated"), before) > 100
    assert part(page, "unknown").is_visible() and part(page, "right").is_hidden()
    part(page, "undo").click()
    assert not shown(page, "paper").any() and "Taken back" in status(page)
    assert differ(shown(page, "translated"), before) == 0
    page.mouse.click(*places(page, (9, 9))[0], button="right")
    assert strokes(page) == []


def test_a_stroke_that_is_taken_away_does_not_go_on(open_translator):
    page = open_translator()

    def draw(*keys, row=6):
        """A line across the paper; half way the keys are pressed."""
        (x, y), half, end = places(page, *((column, row) for column in (5, 12, 20)))
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(*half, steps=4)
        for key in keys:
            page.keyboard.press(key)
        page.mouse.move(*end, steps=4)
        page.mouse.up()

    part(page, "clear").click()
    draw("Control+z")
    assert strokes(page) == [] and "An empty paper" in status(page)
    draw()
    (first,) = strokes(page)
    draw("Backspace", row=20)
    assert strokes(page) == [first]
    draw(" ", row=20)  # the keyboard's pen takes over
    assert strokes(page)[2:] == [[[SIDE / 2, SIDE / 2]]]
    (x, y), end = places(page, (5, 12), (20, 12))
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate("gantranslator.page.setUp({digit: 3})")
    page.mouse.move(*end)
    page.mouse.up()
    assert strokes(page) == [] and "Example 3" in status(page)


def test_a_long_scribble_holds_nothing_up(open_translator):
    took = open_translator().evaluate("""() => {
        const stroke = [], times = [];
        for (let k = 0; k < 60000; k++) {
            stroke.push([14 + 10 * Math.cos(k / 30), 14 + 10 * Math.sin(k / 41)]);
            if (k < 59990) continue;
            const began = performance.now();
            gantranslator.ink([stroke], 1.4, 28);
            times.push(performance.now() - began);
        }
        return times.slice(1);
    }""")
    assert min(took) < 5  # milliseconds for one more point of a minute's stroke


def test_it_answers_while_one_draws(open_translator):
    page = open_translator()
    took = []
    for k in range(8):
        page.evaluate(f"gantranslator.page.setUp({{digit: {k}}})")
        took.append(page.evaluate("gantranslator.page.took()"))
    assert min(took) < 85  # milliseconds; with the pause before it, a tenth of a second


def test_a_finger_draws_and_scrolls_nothing(open_translator):
    page = open_translator(width=390, has_touch=True, is_mobile=True)
    part(page, "clear").click()
    paper = part(page, "paper")
    paper.scroll_into_view_if_needed()
    top = page.evaluate("scrollY")
    session = page.context.new_cdp_session(page)

    def touch(kind, *points):
        where = [{"x": x, "y": y} for x, y in places(page, *points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": where})

    touch("touchStart", (14, 5))
    for y in range(6, 24):
        touch("touchMove", (14, y))
    touch("touchEnd")
    (stroke,) = strokes(page)
    assert stroke[0] == pytest.approx(*scaled((14, 5)), abs=0.2)
    assert stroke[-1] == pytest.approx(*scaled((14, 23)), abs=0.2)
    assert page.evaluate("scrollY") == top
    assert paper.evaluate("e => getComputedStyle(e).touchAction") == "none"
    others = page.locator("#translator-live canvas:not([tabindex])")
    assert set(others.evaluate_all("all => all.map((e) => getComputedStyle(e).touchAction)")) == {
        "auto"
    }


def test_it_can_be_used_with_the_keyboard_alone(open_translator):
    page = open_translator()
    reached = []
    for _ in range(18):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.dataset.translator"))
    assert reached.count("example") == 10
    assert {"paper", "undo", "clear", "noise"} <= set(reached)
    part(page, "clear").focus()
    page.keyboard.press("Enter")
    assert "An empty paper" in status(page)  # once the answer is there
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.dataset.translator") == "paper"
    assert part(page, "cursor").is_visible()
    for key in ("ArrowUp", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    assert part(page, "status").inner_text() == (
        f"Pen up, column {SIDE // 2}, row {SIDE // 2 - 1} of {SIDE}."
    )
    page.keyboard.press(" ")
    for _ in range(5):
        page.keyboard.press("ArrowDown")
    row = SIDE // 2 + 4
    assert part(page, "status").inner_text() == (
        f"Pen down, column {SIDE // 2}, row {row} of {SIDE}."
    )
    page.keyboard.press("Enter")
    assert "Pen up. Your drawing, 1 stroke;" in status(page)
    (stroke,) = strokes(page)
    assert stroke == [[SIDE / 2 - 1, SIDE / 2 - 2 + k] for k in range(6)]
    assert shown(page, "paper")[row - 4 : row - 1, SIDE // 2 - 2 : SIDE // 2].min() > 100
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert len(strokes(page)) == 2
    page.keyboard.press("Backspace")
    assert len(strokes(page)) == 1 and "Taken back" in status(page)
    page.keyboard.press("Control+z")
    page.keyboard.press("Backspace")
    page.keyboard.press("Backspace")
    assert strokes(page) == []
    for _ in range(40):
        page.keyboard.press("ArrowLeft")
    assert part(page, "status").inner_text().startswith(f"Pen up, column 1, row {row} ")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.translator") == "undo"
    assert part(page, "cursor").is_hidden()


def test_everything_that_the_text_proposes_can_be_set_up(open_translator):
    page = open_translator()
    assert len(SET_UPS) == PAGE.count("data-translator-set-up") == 4
    for name, settings in SET_UPS.items():
        page.click(f'[data-name="{name}"]')
        assert page.evaluate("document.activeElement.className") == "translator-first"
        known = f"Example {settings.get('digit')};"
        marks = {"seven": "Your drawing, 2 strokes;", "star": "Your drawing, 1 stroke;"}
        assert marks.get(name, known) in status(page)
        assert float(part(page, "noise").input_value()) == settings.get("deviation", 0)
    before = shown(page, "paper")
    page.check('[name=translator-way][value="back"]')
    part(page, "undo").click()
    assert differ(shown(page, "paper"), before) > 0  # what was there before the star


def test_strokes_of_the_text_are_not_drawn_upon(open_translator):
    page = open_translator()
    page.click('[data-name="seven"]')
    first = strokes(page)
    assert first[0][0] == pytest.approx(np.multiply(SIDE, SET_UPS["seven"]["strokes"][0][0]))
    (x, y), (to_x, to_y) = places(page, (3, 3), (3, 20))
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(to_x, to_y, steps=5)
    page.mouse.up()
    assert len(strokes(page)) == 3
    page.click('[data-name="seven"]')
    assert strokes(page) == first


def test_it_fits_a_phone(open_translator):
    page = open_translator(width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    buttons = page.locator("#translator-live :is(button, .live-choices label)").all()
    boxes = [button.bounding_box() for button in buttons]
    assert min(min(box["width"], box["height"]) for box in boxes) >= 44  # a thumb's size
    paper, answer = (part(page, name).bounding_box() for name in ("paper", "returned"))
    assert answer["y"] + answer["height"] - paper["y"] < 600  # both are seen at once


def test_the_example_is_seen_whichever_colours_the_system_has(open_translator):
    page = open_translator(forced_colors="active")
    page.evaluate("gantranslator.page.idle()")
    examples = part(page, "example")
    borders = examples.evaluate_all("all => all.map((e) => getComputedStyle(e).borderTopColor)")
    chosen = borders.pop(7)
    assert len(set(borders)) == 1 and chosen not in borders


def test_without_javascript_the_figure_stands(open_translator):
    page = open_translator(java_script_enabled=False)
    assert page.is_visible("#translator-still") and page.is_hidden("#translator-live")
    assert not page.locator(".live-set-up button:visible").count()


def test_the_scripts_of_the_page_are_those_that_are_there():
    loaded = re.findall(r'src="\.\./_static/([\w/.-]+)\.js"', PAGE)
    assert set(FILES) <= set(loaded)
    assert all(script(name) for name in loaded)
