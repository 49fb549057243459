"""The GAN lab: its gradients against Keras's, and what its page says of the experiments.

The scripts run in Node or, where there is none, in Chromium.
"""

import re
import time
from types import SimpleNamespace

import keras
import live
import numpy as np
import pytest
from keras import ops
from scipy.spatial.distance import cdist
from sources import ROOT

from ganlib import backend, data, losses, metrics, models, penalties

BOOK = ROOT / "book"
PAGE = (BOOK / "gan_lab.md").read_text(encoding="utf-8")
EXPERIMENTS = live.set_ups("lab", PAGE)
LOSSES = ["non_saturating", "minimax", "least_squares", "hinge", "wasserstein"]
PENALTIES = ["none", "r1", "gradient_penalty"]
BATCH = 128
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.matrix) for seed in range(1, 5))]
ask = live.asking([f"gan-lab/{name}" for name in ("nn", "densities", "game")], "gan_lab.js")
lab = live.opening(PAGE, "ganlab", "gan-lab-still")


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
            r'<select data-setting="(\w+)">(.*?)</select>', live.raw(PAGE)[0], re.DOTALL
        )
    }
    offered = {
        name: {value or text for value, text in options} for name, options in choices.items()
    }
    defaults = ask("defaults")
    assert set(offered) | {"seed"} == set(defaults)
    assert len(EXPERIMENTS) == PAGE.count("data-lab-set-up") == 6
    for settings in (defaults, *EXPERIMENTS.values()):
        for name, value in settings.items():
            assert name == "seed" or str(value) in offered[name], (name, value)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_the_defaults_cover_the_ring(ask, seed):
    seen = ask("play", settings={"seed": seed}, rounds=1500, every=100)
    assert min(s["covered"] for s in seen[-3:]) >= 7
    assert seen[-1]["share"] > 0.5


@pytest.fixture
def play(ask):
    """Play an experiment of the page, with changes of its settings, and hand back what was seen."""

    def play(name, seed, rounds, every=50, then=None, **changes):
        settings = {**EXPERIMENTS[name], **changes, "seed": seed}
        return ask("play", settings=settings, rounds=rounds, every=every, then=then)

    return play


def mean(seen, name, start=None, stop=None):
    return np.mean([look[name] for look in seen[start:stop]])


experiment = pytest.mark.parametrize("seed", SEEDS)


@pytest.mark.slow
@experiment
def test_a_generator_that_runs_away_collapses(play, seed):
    greedy = play("collapse", seed, rounds=300, every=10)
    assert max(look["covered"] for look in greedy[5:]) <= 2
    fair = play("collapse", seed, rounds=1500, generatorSteps=1)
    assert mean(fair, "covered", -5) >= 6


@pytest.mark.slow
@experiment
def test_momentum_makes_the_game_swing(play, seed):
    def furthest(**changes):
        seen = play("momentum", seed, rounds=800, every=10, **changes)
        return max(np.hypot(*look["centre"]) for look in seen)

    assert furthest() > 2
    assert furthest(momentum=0) < 1.5


@pytest.mark.slow
@experiment
def test_r1_calms_the_game(play, seed):
    then = {"round": 2001, "settings": {"penalty": "r1", "weight": 0.1}}
    seen = play("calm", seed, rounds=2500, then=then)
    before, after = slice(30, 40), slice(-4, None)
    looks = [mean(seen, "pull", part.start, part.stop) for part in (before, after)]
    assert looks[1] < looks[0] / 3
    pays = [mean(seen, "discriminatorLoss", part.start, part.stop) for part in (before, after)]
    assert pays[0] + 0.05 < pays[1] < np.log(4) + 0.02


@pytest.mark.slow
@experiment
def test_the_loss_of_a_critic_follows_the_samples(play, seed):
    seen = play("wasserstein", seed, rounds=600, every=20)
    pays = [mean(seen, "discriminatorLoss", k, k + 5) for k in range(0, 30, 5)]
    share = [mean(seen, "share", k, k + 5) for k in range(0, 30, 5)]
    assert np.corrcoef(pays, share)[0, 1] > 0.8
    assert min(pays) < -0.55 and -0.45 < pays[-1] < 0
    assert seen[-1]["covered"] >= 6


@pytest.mark.slow
@experiment
def test_the_loss_of_a_classifier_does_not(play, seed):
    seen = play("uninformative", seed, rounds=1500, every=20)
    parts = [[look for look in seen if look["covered"] == number] for number in (0, 8)]
    pays = [mean(part, "discriminatorLoss") for part in parts]
    assert pays[0] == pytest.approx(pays[1], abs=0.1)


@experiment
def test_a_discriminator_that_is_too_good_gives_no_gradient(ask, seed):
    settings = {**EXPERIMENTS["too-good"], "seed": seed}
    minimax = ask("discriminatorAlone", settings=settings, updates=300)
    settings["loss"] = "non_saturating"
    other = ask("discriminatorAlone", settings=settings, updates=300)
    assert minimax["loss"] == other["loss"] < 0.1
    assert minimax["after"]["pull"] < min(0.1, minimax["before"]["pull"])
    assert minimax["after"]["leaders"] > 0.4
    assert other["after"]["pull"] > 20 * minimax["after"]["pull"]


# ------------------------------------------------------------------------------ in the page


def text(page, name):
    return page.inner_text(f'[data-lab="{name}"]')


def press(page, name):
    page.click(f'[data-lab="{name}"]')


def pixels(page, name):
    return page.evaluate(f"""document.querySelector('[data-lab="{name}"]').toDataURL()""")


def test_the_page_runs_pauses_and_resets(lab):
    page = lab()
    assert page.is_hidden("#gan-lab-still")
    first = pixels(page, "plane")
    press(page, "run")
    page.wait_for_function("ganlab.page.game().rounds >= 30")
    assert text(page, "run") == "Pause"
    press(page, "run")
    assert text(page, "run") == "Run"
    rounds = page.evaluate("ganlab.page.game().rounds")
    assert text(page, "round") == str(rounds)
    assert text(page, "status") == f"Paused. Round {rounds}: {text(page, 'covered')} modes covered."
    assert pixels(page, "plane") != first
    press(page, "reset")
    assert (text(page, "round"), text(page, "covered")) == ("0", "0 of 8")
    assert pixels(page, "plane") == first


def test_the_page_plays_the_game_that_the_tests_play(lab, ask):
    page = lab()
    page.select_option('[data-setting="loss"]', "hinge")
    page.fill('[data-setting="seed"]', "3")
    page.keyboard.press("Tab")
    page.evaluate("for (let i = 0; i < 20; i++) ganlab.page.game().round()")
    shown = page.evaluate("ganlab.page.game().discriminatorLoss")
    (seen,) = ask("play", settings={"loss": "hinge", "seed": 3}, rounds=20, every=20)
    assert shown == pytest.approx(seen["discriminatorLoss"], rel=1e-6)


def test_one_player_can_step_alone(lab):
    page = lab()
    press(page, "step-discriminator")
    page.select_option('[data-lab="presses"]', "10")
    press(page, "step-generator")
    press(page, "step-generator")
    assert text(page, "updates") == "1, 20"


def test_every_experiment_can_be_set_up(lab):
    page = lab()
    for name, settings in EXPERIMENTS.items():
        page.click(f'[data-name="{name}"]')
        now = page.evaluate("ganlab.page.game().settings")
        assert now == {**page.evaluate("ganlab.DEFAULTS"), **settings}
        assert page.evaluate("document.activeElement.dataset.lab") == "run"


def test_everything_works_from_the_keyboard(lab):
    page = lab()
    order = []
    for _ in range(24):
        page.keyboard.press("Tab")
        name = page.evaluate(
            "(({dataset: d}) => d.lab ?? d.setting ?? d.name)(document.activeElement)"
        )
        order.append(name)
    assert order[:5] == ["run", "step-discriminator", "step-generator", "reset", "draw"]
    assert {"density", "loss", "seed", "momentum", "speed", "presses"} < set(order)
    page.focus('[data-lab="draw"]')
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.dataset.lab") == "plane"
    press(page, "run")
    assert "Draw some points first" in text(page, "status")
    page.focus('[data-lab="plane"]')
    for key in ("ArrowLeft", "Space", "ArrowUp", "Space"):
        page.keyboard.press(key)
    assert text(page, "status") == "24 points drawn."
    press(page, "run")
    page.wait_for_function("ganlab.page.game().rounds >= 5")
    press(page, "clear")
    assert page.evaluate("ganlab.page.game().drawing.points.length") == 0


def test_points_can_be_drawn_on_a_phone_where_nothing_scrolls_sideways(lab):
    page = lab(390, has_touch=True)
    page.select_option('[data-setting="density"]', "drawn")
    box = page.locator('[data-lab="plane"]').bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 260, box["y"] + 60, steps=12)
    page.mouse.up()
    points = np.array(page.evaluate("ganlab.page.game().drawing.points"))
    assert len(points) >= 30
    assert np.ptp(points[:, 0]) > 2 > np.ptp(points[:, 1])
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_nothing_scrolls_sideways_at_a_zoom_of_four(lab):
    page = lab(320)
    for loss in ("non_saturating", "wasserstein"):
        page.select_option('[data-setting="loss"]', loss)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_the_keys_of_the_browser_stay_its_own(lab):
    page = lab()
    page.select_option('[data-setting="density"]', "drawn")
    page.focus('[data-lab="plane"]')
    taken = """(modifier) => !document.activeElement.dispatchEvent(new KeyboardEvent("keydown",
        {key: "ArrowLeft", [modifier]: true, cancelable: true, bubbles: true}))"""
    assert page.evaluate(taken, "none")
    assert not page.evaluate(taken, "altKey")  # back, in most browsers


def test_every_control_has_a_name(lab):
    page = lab()
    for selector in ("#lab button", "#lab select", "#lab input"):
        for control in page.locator(selector).all():
            name = control.evaluate("e => (e.labels?.[0] ?? e).innerText.trim()")
            assert name, control
    for canvas in page.locator("#lab canvas").all():
        assert canvas.get_attribute("role") == "img" and canvas.get_attribute("aria-label")


def test_without_javascript_the_still_figure_stands_in(lab):
    page = lab(java_script_enabled=False)
    assert page.is_visible("#gan-lab-still")
    assert page.is_hidden("#lab")
    assert page.locator("[data-lab-set-up]:visible").count() == 0


def test_who_wants_little_motion_gets_few_pictures(lab):
    page = lab(reduced_motion="reduce")
    page.evaluate("""() => {
        globalThis.pictures = 0;
        const draw = ganlab.Plane.prototype.draw;
        ganlab.Plane.prototype.draw = function (...rest) {
            pictures++;
            return draw.apply(this, rest);
        };
    }""")
    press(page, "run")
    page.wait_for_function("ganlab.page.game().rounds >= 3")
    started, before = time.monotonic(), page.evaluate("pictures")
    page.wait_for_timeout(3000)
    pictures = page.evaluate("pictures") - before
    assert 1 <= pictures <= 2 * (time.monotonic() - started) + 2


@pytest.mark.parametrize("drawing, rounds", [(2, 3), (14, 2), (40, 1)])
def test_where_drawing_is_slow_it_trains_less_between_pictures(lab, drawing, rounds):
    """On a clock of the test's own, on which a round takes three milliseconds."""
    page = lab()
    page.select_option('[data-lab="speed"]', "fast")
    found = page.evaluate(
        """(drawing) => new Promise((resolve) => {
            let now = performance.now();
            performance.now = () => now;
            const slower = (type, name, cost) => {
                const method = type.prototype[name];
                type.prototype[name] = function (...given) {
                    now += cost;
                    return method.apply(this, given);
                };
            };
            slower(ganlab.Game, "round", 3);
            slower(ganlab.Plane, "draw", drawing);
            document.querySelector('[data-lab="run"]').click();
            const rounds = [];
            requestAnimationFrame(function next() {
                rounds.push(ganlab.page.game().rounds);
                if (rounds.length < 12) requestAnimationFrame(next);
                else resolve(rounds);
            });
        })""",
        drawing,
    )
    assert set(np.diff(found[2:])) == {rounds}
