"""The photograph explorer: its pictures against Keras's, and what its page says of them."""

import json
import re

import browser_network
import explorer
import keras
import live
import numpy as np
import pytest
from live import STATIC
from sources import ROOT

from ganlib import pretrained
from ganlib.data import to_uint8

BOOK = ROOT / "book"
RUN = BOOK / "results" / "biggan-photographs"
FILES = ["tfjs/tf-core.min", "tfjs/tf-backend-cpu.min", "live/network"]
FILES += [f"photographs/{name}" for name in ("generator", "weights")]
PAGE = (BOOK / "photographs.md").read_text(encoding="utf-8")
SET_UPS = live.set_ups("explorer", PAGE)
DESCRIPTION = browser_network.read_script(STATIC / "photographs" / "generator.js")
DIRECTIONS = np.array(DESCRIPTION["directions"], "float32")
ask = live.asking(FILES, "explorer.js")
open_page = live.opening(PAGE, "ganexplorer", "photographs-still")


@pytest.fixture(scope="module")
def generator():
    return keras.models.load_model(RUN / "generator.keras", compile=False)


@pytest.fixture(scope="module")
def draw(generator):
    """Pictures of ten kinds from the same latents (N, 60): (10, N, 32, 32, 3)."""
    made = explorer.from_classes(generator)
    return lambda z: np.stack([made(z, np.repeat(k[None], len(z), axis=0)) for k in np.eye(10)])


def normal(n, seed):
    return np.random.default_rng(seed).standard_normal((n, 60), dtype="float32")


# ------------------------------------------------------------------------------- the files


def test_its_numbers_are_those_of_the_committed_run(generator):
    description, data = explorer.network(generator)
    assert description == {key: DESCRIPTION[key] for key in description}
    weights = browser_network.read_script(STATIC / "photographs" / "weights.js")["generator"]
    assert weights == browser_network.in_base64(data)
    run = json.loads((RUN / "run.json").read_text(encoding="utf-8"))
    assert DESCRIPTION["run"] == browser_network.origin(run)
    assert "make run RUN=biggan-photographs\n" in PAGE


def test_its_controls_are_those_of_the_latent_explorer():
    """But for the names of the kinds and of two directions, the files, and where one begins."""
    other = (BOOK / "latent_explorer.md").read_text(encoding="utf-8")
    plain = []
    for html in (live.raw(PAGE)[0], live.raw(other)[0]):
        html = re.sub(r"</canvas>\w+</label>", "</canvas></label>", html.replace(" checked", ""))
        html = re.sub(r"(Direction \d|>\d), [a-z ]*?(?=[\" ]*[<\"])", r"\1", html)
        html = re.sub(r'value="\d" inputmode', "", html)
        html = re.sub(r"(Photograph|Latent) explorer|_static/(photographs|explorer)/", "", html)
        plain.append(html)
    assert plain[0] == plain[1]


@pytest.mark.slow
def test_the_browsers_pictures_are_those_of_keras(ask):
    with np.load(explorer.reference("photographs")) as file:
        given = {name: file[name] for name in file.files}
    images = given.pop("images")
    found = live.drawn(ask, shape=images.shape[1:], **given)
    assert images.min() < -0.99 and images.max() > 0.99
    assert np.abs(found - images).max() < 1e-3


# ----------------------------------------------------------------------- what the text says


@pytest.mark.slow
def test_the_kinds_of_a_draw_share_their_light(draw):
    images = draw(normal(150, 3))

    def correlations(part):
        return np.corrcoef(part.mean(axis=(2, 3, 4)))[np.triu_indices(10, 1)]

    whole, middle = correlations(images), correlations(images[:, :, 10:22, 10:22])
    # Five seeds: .31 to .52 and .74 to .82; -.03 to .20 and .50 to .57.
    assert whole.min() > 0.25 and 0.7 < np.median(whole) < 0.9
    assert middle.min() < 0.25 and 0.4 < np.median(middle) < 0.65


@pytest.mark.slow
def test_two_directions_have_a_name(draw):
    z = normal(60, 4)
    less, more = ([draw(z + step * direction) for direction in DIRECTIONS[:2]] for step in (-2, 2))

    def behind(images):  # how light the border is, beside the middle
        border = np.concatenate([images[:, :, :4], images[:, :, 28:]], axis=2)
        middle = images[:, :, 10:22, 10:22]
        return border.mean(axis=(2, 3, 4)) - middle.mean(axis=(2, 3, 4))

    def below(images):
        low, high = images[:, :, 22:], images[:, :, :10]
        return low.mean(axis=(2, 3, 4)) - high.mean(axis=(2, 3, 4))

    # Five seeds: .97 to 1, .92 to .99, .22 to .33; the other way round .32 to .45.
    assert np.mean(behind(more[0]) > behind(less[0])) > 0.9
    assert np.mean(below(more[1]) > below(less[1])) > 0.9
    assert np.mean(below(more[0]) > below(less[0])) < 0.5  # which is not the same
    assert np.mean(behind(more[1]) > behind(less[1])) < 0.7


@pytest.mark.slow
def test_truncation_costs_variety(draw):
    judge = pretrained.judge("evaluation-colour")
    z = normal(500, 5)
    short = z[np.abs(z) < 0.4][: 100 * 60].reshape(100, 60)  # as the book's truncation draws
    shares, spread = [], []
    for images in (draw(z[:100]), draw(short)):
        named = [judge.probabilities(to_uint8(x)).argmax(axis=1) for x in images]
        shares.append(np.mean(np.array(named) == np.arange(10)[:, None]))
        spread.append(images.var(axis=1).mean())
    assert shares[0] < 0.8 and shares[1] > 0.9
    assert 1 / 10 < spread[1] / spread[0] < 1 / 6.5


# ------------------------------------------------------------------------------ in the page


def part(page, name):
    return page.locator(f'[data-explorer="{name}"]')


def pixels(page, name):
    page.evaluate("ganexplorer.page.idle()")
    return live.pixels(part(page, name).first)[..., :3].astype(int)


def test_the_page_draws_in_colour_and_names_the_kinds(open_page, draw):
    page = open_page()
    assert page.is_hidden("#photographs-still")
    z = np.array([page.evaluate("ganexplorer.page.latent()")], "float32")
    expected = to_uint8(draw(z))[7, 0]  # the horse that it begins with
    assert np.abs(pixels(page, "sample") - expected).max() <= 1
    page.check('[name=explorer-class][value="8"]')
    assert part(page, "status").inner_text() == "Now: draw 4 as ship, no truncation."
    assert "as ship" in part(page, "sample").get_attribute("aria-label")
    assert np.ptp(pixels(page, "sample"), axis=-1).max() > 30
    assert part(page, "mixture").inner_text() == "50% horse, 50% ship"


def test_what_the_text_proposes_can_be_set_up(open_page):
    page = open_page(width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert len(SET_UPS) == PAGE.count("data-explorer-set-up") == 3
    for name, settings in SET_UPS.items():
        page.click(f'[data-name="{name}"]')
        assert f"draw {settings['draw']} as " in part(page, "status").inner_text()
