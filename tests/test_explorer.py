"""The latent explorer: its pictures against Keras's, and what its page says of them.

The scripts run in Node or, where there is none, in Chromium.
"""

import base64
import hashlib
import json
import re
from types import SimpleNamespace

import browser_network
import explorer
import keras
import live
import numpy as np
import pytest
from live import STATIC, drawn, script
from scipy import stats
from sources import ROOT

import ganlib
from ganlib import models
from ganlib.data import to_uint8
from ganlib.models import r3gan

BOOK = ROOT / "book"
FILES = ["tfjs/tf-core.min", "tfjs/tf-backend-cpu.min"]
FILES += ["live/network"]
FILES += [f"explorer/{name}" for name in ("generator", "weights", "latents")]
PAGE = (BOOK / "latent_explorer.md").read_text(encoding="utf-8")
SET_UPS = live.set_ups("explorer", PAGE)
ask = live.asking(FILES, "explorer.js")
open_explorer = live.opening(PAGE, "ganexplorer", "explorer-still")
CLASSES = np.eye(10)


DESCRIPTION, WEIGHTS = (
    browser_network.read_script(STATIC / "explorer" / f"{name}.js")
    for name in ("generator", "weights")
)
DATA = base64.b64decode(WEIGHTS["generator"])
DIRECTIONS = np.array(DESCRIPTION["directions"])


def kept():
    """The latents, classes and images that belong to the page's weights."""
    with np.load(explorer.reference("explorer")) as file:
        return dict(file)


@pytest.fixture(scope="module")
def draw():
    """The book's generator, made by ganlib, with the page's weights: (latents, shares) -> images.

    These have been divided by their largest singular values already.
    """
    parameters = DESCRIPTION["run"]["parameters"]
    sizes = (DESCRIPTION["imageShape"], DESCRIPTION["classes"], parameters["latent_dim"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models.biggan, "SpectralNormalization", lambda layer: layer)
        patch.setattr(ganlib.layers, "_spectral", lambda layer, _: layer)
        generator = models.biggan.generator(*sizes, parameters["width"], embedding_dim=32)
        translation = browser_network.Translation(generator, DESCRIPTION["inputs"])
        assert translation.steps == DESCRIPTION["steps"]
        numbers, start = np.frombuffer(DATA, "<f4"), 0
        for name, (variable, _) in translation.weights.items():
            shape = DESCRIPTION["shapes"][name]
            assert tuple(shape) == variable.shape
            size = int(np.prod(shape))
            variable.assign(numbers[start : start + size].reshape(shape))
            start += size
        yield explorer.from_classes(generator)


# ------------------------------------------------------------------------------- the files


def test_the_weights_are_those_that_the_description_names():
    sizes = [np.prod(shape, dtype=int) for shape in DESCRIPTION["shapes"].values()]
    assert len(DATA) == 4 * sum(sizes)
    assert hashlib.sha256(DATA).hexdigest() == DESCRIPTION["sha256"]
    assert round(sum(sizes), -4) == 90_000 and "90,000 weights" in PAGE


def test_they_came_from_the_committed_run():
    name = DESCRIPTION["run"]["name"]
    run = json.loads((BOOK / "results" / name / "run.json").read_text(encoding="utf-8"))
    assert DESCRIPTION["run"] == browser_network.origin(run)
    assert f"make run RUN={name}\n" in PAGE and f"outputs/{name} explorer\n" in PAGE


def test_the_library_is_the_one_that_its_notice_names():
    notice = (STATIC / "tfjs" / "README.md").read_text(encoding="utf-8")
    (version,) = re.findall(r"TensorFlow\.js\]\(.*\) ([\d.]+),", notice)
    for name in ("tf-core", "tf-backend-cpu", "tf-backend-wasm"):
        text = script(f"tfjs/{name}.min")
        assert text.startswith("/**\n * @license") and f'="{version}"' in text
        assert f"`{name}.min.js` is" in notice
    binary = script("tfjs/tf-backend-wasm-simd").split("base64,")[1].split('"')[0]
    assert hashlib.sha256(base64.b64decode(binary)).hexdigest() in notice
    assert "Apache License" in (STATIC / "tfjs" / "LICENSE").read_text(encoding="utf-8")
    assert sum(path.stat().st_size for path in (STATIC / "tfjs").glob("*.js")) < 1.5e6


# ----------------------------------------------------------------------------- the pictures


@pytest.mark.slow
def test_the_browsers_pictures_are_those_of_keras(ask):
    reference = kept()
    images = reference["images"]
    found = drawn(ask, reference["latents"], reference["classes"], images.shape[1:])
    assert images.min() < -0.99 and images.max() > 0.99
    assert np.abs(found - images).max() < 1e-3


def test_keras_makes_the_same_of_the_same_weights(draw):
    reference = kept()
    images = draw(reference["latents"], reference["classes"])
    np.testing.assert_allclose(images, reference["images"], atol=1e-4)


@pytest.mark.parametrize("kind", ["biggan", "r3gan"])
def test_any_generator_of_classes_is_translated(ask, kind):
    if kind == "biggan":
        generator = models.biggan.generator((32, 32, 3), classes=4, latent_dim=8, width=3)
    else:
        generator = r3gan.generator((32, 24, 3), 8, width=6, groups=3, blocks=1, classes=4)
    rng, shape = np.random.default_rng(0), generator.output_shape[1:]
    for variable in generator.variables:
        spread = 0.5 + rng.random(variable.shape)
        variable.assign(spread if "variance" in variable.path else spread - 1)
    description, data = explorer.network(generator)
    latents, labels = rng.standard_normal((3, 8)).astype("float32"), np.array([0, 3, 1])
    expected = generator.predict([latents, labels], verbose=0)
    weights = base64.b64encode(data).decode()
    found = drawn(ask, latents, np.eye(4)[labels], shape, description=description, weights=weights)
    assert np.ptp(expected) > 0.5
    assert np.abs(found - expected).max() < 1e-3


def test_a_layer_without_a_step_is_named():
    x, labels = keras.Input((4,)), keras.Input((), dtype="int32")
    model = keras.Model([x, labels], keras.layers.Softmax(name="last")(x))
    with pytest.raises(ValueError, match=r"no step for Softmax \(last\)"):
        browser_network.Translation(model, ["latents", "labels"])


# ------------------------------------------------------------------------------- the latents


def test_uniform_numbers_are_those_of_their_seed(ask):
    found = np.array(ask("uniforms", seed=3, count=20_000))
    assert found.min() > 0 and found.max() < 1
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert ask("uniforms", seed=3, count=5) == found[:5].tolist()
    firsts = np.array([ask("uniforms", seed=s, count=60) for s in range(4)])
    assert np.abs(np.corrcoef(firsts) - np.eye(4)).max() < 0.4
    assert len(np.unique(firsts)) == firsts.size


def test_the_normal_distribution_is_scipys(ask):
    values = np.linspace(-7.9, 7.9, 200)
    assert ask("below", values=values.tolist()) == pytest.approx(stats.norm.cdf(values), abs=1e-14)


@pytest.mark.parametrize("threshold", [0.1, 0.7, 1.0, None])
def test_truncation_has_the_law_of_the_book(ask, threshold):
    u = np.linspace(0.001, 0.999, 999)
    found = np.array(ask("truncated", uniforms=u.tolist(), threshold=threshold))
    bound = threshold or np.inf
    assert np.abs(found).max() <= bound
    assert found == pytest.approx(stats.truncnorm.ppf(u, -bound, bound), abs=1e-9)
    gan = ganlib.GAN(models.mlp.generator((2,), 50), models.mlp.discriminator((2,)), seed=0)
    drawn = gan.latents(400, seed=1, truncation=threshold).ravel()
    assert stats.kstest(drawn, stats.truncnorm(-bound, bound).cdf).pvalue > 0.01


def test_walks_go_from_one_end_to_the_other(ask):
    a, b = np.random.default_rng(0).normal(size=(2, 60))
    places = np.linspace(0, 1, 9)
    line, sphere = (
        np.array(ask("walk", path=path, a=a.tolist(), b=b.tolist(), places=places.tolist()))
        for path in ("straight", "spherical")
    )
    for walk in (line, sphere):
        np.testing.assert_allclose(walk[[0, -1]], [a, b], atol=1e-9)
    np.testing.assert_allclose(line, a + places[:, None] * (b - a), atol=1e-9)
    unit = ask("walk", path="spherical", a=[2, 0], b=[0, 2], places=places.tolist())
    angle = places * np.pi / 2
    np.testing.assert_allclose(unit, 2 * np.transpose([np.cos(angle), np.sin(angle)]), atol=1e-9)
    assert ask("walk", path="spherical", a=[1, 0], b=[1, 0], places=[0.5]) == [[1, 0]]


# --------------------------------------------------------------- what the page says happens


def shape_of(images):
    """Ink, slant (positive: the top leans to the right), width and height of each image."""
    ink = (images[..., 0] + 1) / 2
    y, x = np.mgrid[: ink.shape[1], : ink.shape[2]]
    total = ink.sum((1, 2))

    def mean(values):
        return (ink * values).sum((1, 2)) / total

    dx, dy = x - mean(x)[:, None, None], y - mean(y)[:, None, None]
    slant = -mean(dx * dy) / mean(dy**2)
    return SimpleNamespace(
        ink=total, slant=slant, width=np.sqrt(mean(dx**2)), height=np.sqrt(mean(dy**2))
    )


def normal(n, seed):
    return np.random.default_rng(seed).standard_normal((n, 60), dtype="float32")


def each_class(n):
    return CLASSES[np.arange(n) % 10]


def apart(a, b):
    """Root mean square of the difference of pictures, one by one."""
    return np.sqrt(((a - b) ** 2).mean((1, 2, 3)))


@pytest.mark.slow
def test_classes_share_slant_and_ink(draw):
    z = normal(200, 5)
    found = [shape_of(draw(z, CLASSES[[c] * 200])) for c in range(10)]
    pairs = np.triu_indices(10, 1)

    def correlations(name):
        return np.corrcoef([getattr(shape, name) for shape in found])[pairs]

    assert correlations("slant").min() > 0.6 and correlations("ink").min() > 0.6
    assert abs(np.corrcoef(found[1].width, found[6].width)[0, 1]) < 0.3


@pytest.mark.slow
def test_two_directions_have_a_name(draw):
    z, shares = normal(300, 3), each_class(300)
    ends = [[shape_of(draw(z + t * d, shares)) for t in (-2, 2)] for d in DIRECTIONS]
    assert (ends[0][0].slant < ends[0][1].slant).all()
    assert np.mean(ends[1][0].ink < ends[1][1].ink) > 0.95
    assert np.mean(ends[1][0].width < ends[1][1].width) > 0.95
    assert np.mean(ends[2][0].ink > ends[2][1].ink) > 0.7
    assert np.mean(ends[3][0].height < ends[3][1].height) > 0.85


@pytest.mark.slow
def test_six_directions_hold_most_of_the_change(draw):
    np.testing.assert_allclose(DIRECTIONS @ DIRECTIONS.T, np.eye(6), atol=1e-5)
    change = explorer.metric(draw, normal(30, 5), each_class(30))
    shares = np.einsum("ki,ij,kj->k", DIRECTIONS, change, DIRECTIONS) / np.trace(change)
    assert 0.35 < shares[0] < 0.45 and shares.sum() > 0.8
    np.testing.assert_allclose(shares, DESCRIPTION["shares"], atol=0.05)
    assert np.diff(DESCRIPTION["shares"]).max() < 0


def test_truncation_costs_variety(draw):
    u, shares = np.random.default_rng(0).random((200, 60)), each_class(200)

    def variance(threshold):
        z = stats.truncnorm.ppf(u, -threshold, threshold).astype("float32")
        images = draw(z, shares)
        return np.mean([images[c::10].var(axis=0).mean() for c in range(10)])

    assert variance(0.1) < variance(np.inf) / 40
    name = DESCRIPTION["run"]["name"]
    path = BOOK / "results" / name / "metrics.json"
    curve = json.loads(path.read_text(encoding="utf-8"))["truncation"]
    assert (curve["thresholds"][0], curve["thresholds"][-1]) == (0.1, None)
    quality = [f"{curve[name][end]:.2f}" for end in (0, -1) for name in ("precision", "recall")]
    precise, none, precision, recall = quality
    said = f"the precision is {precise} and the recall {none}, without truncation they are "
    assert f"{said}{precision} and {recall}" in PAGE


@pytest.mark.slow
def test_no_walk_between_classes_jumps(draw):
    z, longest, halves = normal(10, 11), 0, {}
    for a in range(10):
        for b in range(a + 1, 10):
            mixtures = [(1 - t) * CLASSES[a] + t * CLASSES[b] for t in np.linspace(0, 1, 9)]
            walk = draw(np.tile(z, (9, 1)), np.repeat(mixtures, 10, axis=0))
            walk = walk.reshape(9, 10, 28, 28, 1)
            steps = np.array([apart(*pair) for pair in zip(walk, walk[1:], strict=False)])
            longest = max(longest, (steps / steps.sum(axis=0)).max())
            halves[a, b] = apart(walk[4], walk[8]) < apart(walk[4], walk[0])
    assert len(halves) * 10 == 450 and longest < 1 / 3
    assert halves[3, 6].mean() >= 0.9 and halves[1, 2].mean() <= 0.1


@pytest.mark.slow
def test_the_line_is_more_typical_than_the_sphere(draw):
    a, b, shares = normal(200, 1), normal(200, 2), each_class(200)
    line = (a + b) / 2
    length = np.linalg.norm(line, axis=1, keepdims=True)
    sphere = line * np.sqrt(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))[:, None] / length
    assert np.linalg.norm(a, axis=1).mean() == pytest.approx(np.sqrt(60), abs=0.15)
    assert length.mean() == pytest.approx(np.sqrt(30), abs=0.15)
    assert np.mean(np.linalg.norm(normal(10_000, 3), axis=1) < np.sqrt(30)) < 0.002
    on_line, on_sphere = draw(line, shares), draw(sphere, shares)
    ends = np.sqrt(np.mean(apart(draw(a, shares), draw(b, shares)) ** 2))
    assert np.sqrt(np.mean(apart(on_line, on_sphere) ** 2)) / ends == pytest.approx(1 / 3, abs=0.04)
    many = draw(normal(1000, 4), each_class(1000))
    typical = np.array([many[c::10].mean(axis=0) for c in range(10)])[np.arange(200) % 10]
    assert np.mean(apart(on_line, typical) < apart(on_sphere, typical)) >= 0.9


def test_all_six_lead_out_of_the_draws():
    far = np.linalg.norm(normal(1000, 0) + 3 * DIRECTIONS.sum(axis=0), axis=1).mean()
    assert far == pytest.approx(10.6, abs=0.05)
    assert np.mean(np.linalg.norm(normal(100_000, 1), axis=1) > far) < 0.0003


# ------------------------------------------------------------------------------ in the page


def part(page, name):
    return page.locator(f'[data-explorer="{name}"]')


def pixels(page, name, nth=0):
    """What a canvas shows once all is drawn, uint8 (28, 28, 1)."""
    page.evaluate("ganexplorer.page.idle()")
    shown = live.pixels(part(page, name).nth(nth))
    assert (shown[..., 3] == 255).all() and (shown[..., 0] == shown[..., 1]).all()
    return shown[..., :1]


def differ(a, b):
    return np.abs(a.astype(int) - b).max()


@pytest.mark.parametrize("backend", ["wasm", "cpu"])
def test_the_pages_numbers_are_those_of_keras(open_explorer, backend):
    reference = kept()
    page = open_explorer()
    assert page.evaluate("tf.getBackend()") == "wasm"
    ask = """async ({backend, ...given}) => {
        const {generator, weights} = ganexplorer;
        const network = await ganlive.load(generator, weights.generator, backend);
        return [tf.getBackend(), Array.from(network.images(given))];
    }"""
    given = {name: reference[name].ravel().tolist() for name in ("latents", "classes")}
    used, found = page.evaluate(ask, {"backend": backend, **given})
    assert used == backend
    assert np.abs(np.array(found) - reference["images"].ravel()).max() < 1e-3


def test_without_webassembly_it_draws_all_the_same(open_explorer):
    page = open_explorer(without_wasm=True)
    assert page.evaluate("tf.getBackend()") == "cpu"
    assert np.ptp(pixels(page, "sample")) > 200


def test_the_page_shows_what_keras_makes(open_explorer, draw):
    page = open_explorer()
    assert page.is_hidden("#explorer-still")
    page.evaluate("""ganexplorer.page.setUp({
        draw: 4, digit: 5, bound: 0.8, moved: [1, -1, 0.5, 0, 0, 2],
        from: {draw: 4, digit: 5}, to: {draw: 6, digit: 9}, place: 0.3,
    })""")
    z = np.array(page.evaluate("ganexplorer.page.latent()"), "float32")
    expected = to_uint8(draw(np.repeat(z[None], 10, axis=0), CLASSES))
    assert differ(pixels(page, "sample"), expected[5]) <= 1
    for label in range(10):
        assert differ(pixels(page, "class", label), expected[label]) <= 1
    z, shares = page.evaluate("ganexplorer.page.between(0.3)")
    assert shares[5] == pytest.approx(0.7) and shares[9] == pytest.approx(0.3)
    expected = to_uint8(draw(np.array([z], "float32"), np.array([shares])))
    assert differ(pixels(page, "between"), expected[0]) <= 1
    assert differ(pixels(page, "strip", 0), pixels(page, "A")) == 0
    assert differ(pixels(page, "strip", 8), pixels(page, "B")) == 0


@pytest.mark.parametrize("name", ["direction", "threshold"])
def test_sliders_change_the_picture_and_change_it_back(open_explorer, name):
    page = open_explorer()
    first = pixels(page, "sample")
    slider = part(page, name).first
    before = slider.input_value()
    slider.fill("1")
    assert differ(pixels(page, "sample"), first) > 20
    slider.fill(before)
    assert differ(pixels(page, "sample"), first) == 0


def test_it_can_be_used_with_the_keyboard_alone(open_explorer):
    page = open_explorer()
    first = pixels(page, "sample")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "explorer-class"
    page.keyboard.press("ArrowRight")
    assert "class 4" in part(page, "status").inner_text()
    assert differ(pixels(page, "sample"), first) > 20
    second = pixels(page, "sample")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # New draw
    assert part(page, "number").input_value() == "2"
    assert differ(pixels(page, "sample"), second) > 20
    for _ in range(3):
        page.keyboard.press("Tab")
    third = pixels(page, "sample")
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    assert part(page, "direction-value").first.inner_text() == "−1.0"
    assert "−1.0 along direction 1" in part(page, "sample").get_attribute("aria-label")
    assert differ(pixels(page, "sample"), third) > 20
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.dataset.explorer"))
    assert reached >= {"back", "keep-A", "keep-B", "place", "path", "threshold", "number"}


def test_samples_are_kept_and_walked_between(open_explorer):
    page = open_explorer()
    part(page, "number").fill("7")
    page.check('[name=explorer-class][value="0"]')
    kept = pixels(page, "sample")
    part(page, "keep-B").click()
    assert part(page, "status").inner_text() == "B is draw 7 as class 0, no truncation."
    assert differ(pixels(page, "B"), kept) == 0
    part(page, "place").fill("1")
    assert differ(pixels(page, "between"), kept) == 0
    assert part(page, "mixture").inner_text() == "0% class 3, 100% class 0"
    part(page, "place").fill("0.5")
    on_sphere = pixels(page, "between")
    part(page, "path").select_option("straight")
    assert differ(pixels(page, "between"), on_sphere) > 5
    part(page, "new").click()
    assert differ(pixels(page, "B"), kept) == 0


def test_everything_that_the_text_proposes_can_be_set_up(open_explorer):
    page = open_explorer()
    assert len(SET_UPS) == PAGE.count("data-explorer-set-up") == 5
    for name, settings in SET_UPS.items():
        page.click(f'[data-name="{name}"]')
        assert f"draw {settings['draw']} as class {settings['digit']}" in page.inner_text(
            '[data-explorer="status"]'
        )
        assert page.evaluate("document.activeElement.className") in (
            "live-main explorer-first",
            "explorer-first",
        )
    assert part(page, "path").input_value() == "straight"
    page.click('[data-name="truncation"]')
    first = pixels(page, "sample").astype(float)
    part(page, "new").click()
    typical = np.abs(pixels(page, "sample") - first).mean()
    part(page, "threshold").fill("3")
    assert part(page, "threshold-value").inner_text() == "none"
    assert part(page, "threshold").get_attribute("aria-valuetext") == "none"  # and not 3
    assert np.abs(pixels(page, "sample") - first).mean() > 3 * typical


def test_it_fits_a_phone(open_explorer):
    page = open_explorer(width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = [label.bounding_box() for label in page.locator(".explorer-classes label").all()]
    assert min(min(box["width"], box["height"]) for box in boxes) >= 44  # a thumb's size


def test_the_class_is_seen_whichever_colours_the_system_has(open_explorer):
    page = open_explorer(forced_colors="active")
    labels = page.locator(".explorer-classes label")
    borders = labels.evaluate_all("all => all.map((e) => getComputedStyle(e).borderTopColor)")
    chosen = borders.pop(3)
    assert len(set(borders)) == 1 and chosen not in borders


def test_without_javascript_the_figure_stands(open_explorer):
    page = open_explorer(java_script_enabled=False)
    assert page.is_visible("#explorer-still") and page.is_hidden("#explorer")
    assert not page.is_visible(".live-set-up button")
