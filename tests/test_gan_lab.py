"""The GAN lab: its gradients against Keras's, and what its page says of the experiments.

The scripts run in Node or, where there is none, in Chromium.
"""

import html
import importlib.util
import json
import re
import shutil
import subprocess
import time
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops
from scipy.spatial.distance import cdist
from sources import ROOT

from ganlib import backend, data, losses, metrics, models, penalties

BOOK = ROOT / "book"
SCRIPTS = BOOK / "_static" / "gan-lab"
PAGE = (BOOK / "gan_lab.md").read_text(encoding="utf-8")
RAW = re.findall(r"^```\{raw\} html\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
EXPERIMENTS = {
    name: json.loads(html.unescape(settings))
    for name, settings in re.findall(r"""data-name="([\w-]+)" data-lab-set-up='([^']*)'""", PAGE)
}
LOSSES = ["non_saturating", "minimax", "least_squares", "hinge", "wasserstein"]
PENALTIES = ["none", "r1", "gradient_penalty"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
HAS_BROWSER = bool(CHROMIUM) and importlib.util.find_spec("playwright") is not None
BATCH = 128
SEEDS = range(5)


@pytest.fixture(scope="module")
def browser():
    if not HAS_BROWSER:
        pytest.skip("the lab's page is tested in Chromium, with `pip install playwright`")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def ask(request):
    """Ask the lab's scripts one of the questions in gan_lab.js."""
    files = [SCRIPTS / f"{name}.js" for name in ("nn", "densities", "game")]
    files.append(ROOT / "tests" / "gan_lab.js")
    scripts = "\n".join(path.read_text(encoding="utf-8") for path in files)

    def in_node(question, **details):
        task = json.dumps({"question": question, **details})
        done = subprocess.run(
            [shutil.which("node"), "-"],
            input=f"{scripts}\nconsole.log(JSON.stringify(answer({task})));",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    if shutil.which("node"):
        return in_node
    if not HAS_BROWSER:
        pytest.skip("the lab's scripts run in Node, or in Chromium with `pip install playwright`")
    page = request.getfixturevalue("browser").new_page()

    def in_chromium(question, **details):
        task = json.dumps({"question": question, **details})
        return page.evaluate(f"(() => {{ {scripts}\nreturn answer({task}); }})()")

    return in_chromium


# ---------------------------------------------------------------------------- gradients


def flat(model):
    """Weights or gradients of Keras's dense layers in the lab's order: a row for each output."""
    return np.concatenate([np.asarray(ops.convert_to_numpy(w)).T.ravel() for w in model])


@pytest.fixture(scope="module")
def players():
    """Two models of the lab's sizes with biases that are not zero, and a batch for them."""
    rng = np.random.default_rng(0)
    generator = models.mlp.generator((2,), 2, units=(32, 32), activation="leaky_relu")
    discriminator = models.mlp.discriminator((2,), units=(32, 32))
    for model in (generator, discriminator):
        model.set_weights([rng.normal(0, 0.4, w.shape) for w in model.get_weights()])
    return SimpleNamespace(
        generator=generator,
        discriminator=discriminator,
        real=rng.normal(0, 1.5, (BATCH, 2)).astype("float32"),
        latents=rng.normal(size=(BATCH, 2)).astype("float32"),
        places=rng.random(BATCH).astype("float32"),
    )


def by_keras(players, loss, penalty, weight):
    """Losses and gradients that ganlib and Keras find for the same players."""
    rules, generator, discriminator = losses.get(loss), players.generator, players.discriminator
    real, latents = ops.array(players.real), ops.array(players.latents)
    fake = generator(latents)
    term = {
        "none": lambda *_: 0.0,
        "r1": penalties.R1(weight),
        "gradient_penalty": penalties.GradientPenalty(weight),
    }[penalty]
    place = ops.array(players.places)[:, None]
    term.between = lambda real, fake: place * real + (1 - place) * fake

    def of_discriminator():
        game = rules.discriminator(discriminator(real), discriminator(fake))
        added = term(discriminator, real, fake)
        return game + added, (game, added)

    def of_generator():
        return rules.generator(discriminator(generator(latents))), None

    variables = discriminator.trainable_variables
    _, (game, added), pull = backend.pullback(of_discriminator, variables, variables)
    of_d = pull()
    variables = generator.trainable_variables
    cost, _, pull = backend.pullback(of_generator, variables, variables)
    of_points = backend.input_gradient(
        lambda points: BATCH * rules.generator(discriminator(points)), fake
    )
    return {
        "discriminatorLoss": float(game),
        "penalty": float(added),
        "discriminatorGradients": flat(of_d),
        "generatorLoss": float(cost),
        "generatorGradients": flat(pull()),
        "pulls": -ops.convert_to_numpy(of_points).ravel(),
    }


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_and_gradients_are_those_of_ganlib(ask, players, loss, penalty):
    found = ask(
        "gradients",
        settings={"loss": loss, "penalty": penalty, "weight": 0.7},
        generator=flat(players.generator.get_weights()).tolist(),
        discriminator=flat(players.discriminator.get_weights()).tolist(),
        real=players.real.ravel().tolist(),
        latents=players.latents.ravel().tolist(),
        places=players.places.tolist(),
    )
    expected = by_keras(players, loss, penalty, 0.7)
    assert (expected["penalty"] > 0.01) == (penalty != "none")
    for name, value in expected.items():
        scale = max(1.0, np.abs(value).max())
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-4 * scale, err_msg=name)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_the_discriminators_gradients_are_finite_differences(ask, penalty):
    settings = {"penalty": penalty, "weight": 0.7, "seed": 1}
    found = ask("differences", settings=settings, player="discriminator", count=150)
    assert found["worst"] < 1e-5 < 1e-2 < found["largest"]


def test_the_generators_gradients_are_finite_differences(ask):
    found = ask("differences", settings={"seed": 1}, player="generator", count=150)
    assert found["worst"] < 1e-5 < 1e-2 < found["largest"]


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_adam_is_that_of_keras(ask, momentum):
    gradients = np.random.default_rng(0).normal(size=(6, 13)) * [[1], [1], [3], [0], [0.1], [1]]
    found = ask("adam", gradients=gradients.tolist(), rate=0.01, momentum=momentum)
    variable = keras.Variable(np.array(found["before"], "float32"))
    adam = keras.optimizers.Adam(0.01, beta_1=momentum)
    for gradient in gradients:
        adam.apply([ops.array(gradient.astype("float32"))], [variable])
    np.testing.assert_allclose(found["after"], ops.convert_to_numpy(variable.value), atol=1e-5)
    assert not any(found["left"])


# ------------------------------------------------------------------- numbers and densities


def test_random_numbers_are_uniform_normal_and_those_of_their_seed(ask):
    found = ask("numbers", seed=3, stream=1, n=20_000)
    assert np.histogram(found["uniform"], 10, (0, 1))[0] == pytest.approx(2000, abs=200)
    normal = np.array(found["normal"])
    assert normal.mean() == pytest.approx(0, abs=0.03)
    assert normal.std() == pytest.approx(1, abs=0.03)
    assert np.mean(np.abs(normal) < 1) == pytest.approx(0.6827, abs=0.015)
    assert ask("numbers", seed=3, stream=1, n=5)["uniform"] == found["uniform"][:5]
    others = [ask("numbers", seed=s, stream=k, n=5)["uniform"] for s, k in ((4, 1), (3, 2))]
    assert all(np.abs(np.subtract(other, found["uniform"][:5])).max() > 0.01 for other in others)


@pytest.mark.parametrize(
    ("name", "density"),
    [
        ("ring", data.ring(radius=2.0, sigma=0.1)),
        ("grid", data.grid(spacing=1.0, sigma=0.07)),
        ("roll", data.swiss_roll(radius=2.4, sigma=0.06)),
    ],
)
def test_densities_are_those_of_ganlib(ask, name, density):
    found = ask("sample", density=name, seed=0)
    points = np.reshape(found["points"], (-1, 2))
    assert np.abs(points).max() < 3
    reference = density.log_density(density.sample(2000, seed=1))
    assert density.log_density(points).mean() == pytest.approx(reference.mean(), abs=0.1)
    assert found["covered"] == len(found["places"])
    assert found["share"] > 0.97
    if name != "roll":
        assert cdist(found["places"], density.means).min(axis=0).max() < 1e-9
        scores = metrics.modes.mixture_modes(points, density)
        assert scores["modes"] == found["covered"]
        assert scores["high_quality"] == pytest.approx(found["share"])


def test_a_drawing_is_a_density_too(ask):
    drawn = [[x / 10, 1.0] for x in range(-20, 21)] + [[9, 9]]  # the last lies outside
    found = ask("sample", density="drawn", seed=0, points=drawn)
    points = np.reshape(found["points"], (-1, 2))
    assert np.abs(points[:, 0]).max() == pytest.approx(2, abs=0.25)
    assert points[:, 1] == pytest.approx(1, abs=0.3)
    assert found["covered"] == len(found["places"]) == 9


# --------------------------------------------------------------- what the page says happens


def test_every_setting_that_the_page_names_can_be_chosen(ask):
    choices = {
        name: re.findall(r"<option(?: value=\"([^\"]*)\")?[^>]*>([^<]*)", options)
        for name, options in re.findall(
            r'<select data-setting="(\w+)">(.*?)</select>', RAW[0], re.DOTALL
        )
    }
    offered = {name: {value or text for value, text in options} for name, options in choices.items()}
    defaults = ask("defaults")
    assert set(offered) | {"seed"} == set(defaults)
    assert len(EXPERIMENTS) == PAGE.count("data-lab-set-up") == 6
    for settings in (defaults, *EXPERIMENTS.values()):
        for name, value in settings.items():
            assert name == "seed" or str(value) in offered[name], (name, value)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_defaults_cover_the_ring(ask, seed):
    seen = ask("play", settings={"seed": seed}, rounds=1500, every=100)
    assert min(s["covered"] for s in seen[-3:]) >= 7
    assert seen[-1]["share"] > 0.5
