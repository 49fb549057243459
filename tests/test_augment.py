"""Differentiable augmentation against NumPy. `test_backends.py` runs this file on JAX and PyTorch
too."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import ndimage
from test_backends import run

from ganlib import GAN, augment, backend, losses, models

N, H, W, C = 6, 12, 16, 3
IMAGES = np.random.default_rng(0).uniform(-1, 1, (N, H, W, C)).astype("float32")
KEEP_THE_RANGE = ("translation", "scaling", "rotation", "cutout")


def array(tensor):
    return ops.convert_to_numpy(tensor)


def applied(name, images=IMAGES, seed=7):
    return array(augment.OPERATIONS[name](ops.convert_to_tensor(images), seed))


class Drawn:
    """The numbers that an operation draws, drawn again from an equal generator."""

    def __init__(self, seed=7):
        self.seed = seed

    def uniform(self, low, high):
        return array(keras.random.uniform((N, 1, 1, 1), low, high, seed=self.seed)).astype(float)

    def whole(self, low, high):
        drawn = keras.random.randint((N, 1), low, high + 1, seed=self.seed)
        return array(drawn).astype(int)[:, 0]


def affine(image, matrix):
    """Linear interpolation about the centre, 0 outside: SciPy's, channel by channel."""
    centre = (np.array(image.shape[:2]) - 1) / 2
    # A margin, because SciPy's does not fade out beyond the last pixel.
    padded = np.pad(image.astype(float), ((3, 3), (3, 3), (0, 0)))
    channels = [
        ndimage.affine_transform(x, matrix, centre + 3 - matrix @ (centre + 3), order=1)
        for x in np.moveaxis(padded, -1, 0)
    ]
    return np.stack(channels, axis=-1)[3:-3, 3:-3]


def shifted(image, down, right):
    """The pixel (i, j) is that of (i + down, j + right), or 0 where there is none."""
    result, (height, width, _) = np.zeros_like(image), image.shape
    for i in range(height):
        for j in range(width):
            if 0 <= i + down < height and 0 <= j + right < width:
                result[i, j] = image[i + down, j + right]
    return result


def cut_out(image, top, left):
    """Without half the height and width, rounded up, from (top, left) on."""
    result, (height, width) = image.copy(), (-(-side // 2) for side in image.shape[:2])
    result[max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)] = 0
    return result


def expected(name, images=IMAGES):
    drawn, x = Drawn(), images.astype(float)
    if name == "brightness":
        return x + drawn.uniform(-0.5, 0.5)
    if name == "saturation":
        grey = x.mean(axis=3, keepdims=True)
        return grey + drawn.uniform(0, 2) * (x - grey)
    if name == "contrast":
        mean = x.mean(axis=(1, 2, 3), keepdims=True)
        return mean + drawn.uniform(0.5, 1.5) * (x - mean)
    if name == "scaling":
        factors = np.exp(drawn.uniform(-np.log(1.25), np.log(1.25)))[:, 0, 0, 0]
        return np.stack([affine(x, np.eye(2) / f) for x, f in zip(x, factors, strict=True)])
    if name == "rotation":
        angles = drawn.uniform(-np.pi / 12, np.pi / 12)[:, 0, 0, 0]
        turns = [np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in angles]
        return np.stack([affine(x, turn) for x, turn in zip(x, turns, strict=True)])
    if name == "translation":  # with one seed both ways draw alike, up to their reach
        reaches = [round(side / 8) for side in x.shape[1:3]]
        by = zip(x, *(drawn.whole(-reach, reach) for reach in reaches), strict=True)
        return np.stack([shifted(*each) for each in by])
    if name == "cutout":
        halves = [-(-side // 2) for side in x.shape[1:3]]  # centred at all pixels, if they are odd
        lasts = [side - half % 2 for side, half in zip(x.shape[1:3], halves, strict=True)]
        starts = (
            drawn.whole(0, last) - half // 2 for last, half in zip(lasts, halves, strict=True)
        )
        return np.stack([cut_out(*each) for each in zip(x, *starts, strict=True)])
    return x + 0.1 * array(keras.random.normal(x.shape, seed=7)).astype(float)


@pytest.mark.parametrize("name", augment.OPERATIONS)
def test_each_operation_equals_its_definition(name):
    result = applied(name)
    np.testing.assert_allclose(result, expected(name), atol=2e-5)
    assert np.abs(result - IMAGES).max() > 0.05
    if name in KEEP_THE_RANGE:
        assert np.abs(result).max() <= 1 + 1e-5


@pytest.mark.parametrize("shape", [(6, 10), (10, 6), (7, 19), (24, 5)])
@pytest.mark.parametrize("name", KEEP_THE_RANGE)
def test_operations_do_not_mix_up_height_and_width(name, shape):
    images = np.random.default_rng(1).uniform(-1, 1, (N, *shape, 1)).astype("float32")
    result = applied(name, images)
    np.testing.assert_allclose(result, expected(name, images), atol=2e-5)
    assert np.abs(result - images).max() > 0.05


def test_whole_numbers_take_all_values_and_no_others():
    """Where the one bright pixel goes: up to an eighth of 12 and 16, rounded, both ways."""
    dot = np.zeros((2000, H, W, 1), "float32")
    dot[:, 6, 8] = 1
    generator = keras.random.SeedGenerator(0)
    moved = array(augment.translation(ops.convert_to_tensor(dot), generator))
    _, rows, columns, _ = np.nonzero(moved)
    assert len(rows) == 2000 and set(zip(rows - 6, columns - 8, strict=True)) == {
        (i, j) for i in range(-2, 3) for j in range(-2, 3)
    }
    white = np.ones((2000, H, W, 1), "float32")
    cut = array(augment.cutout(ops.convert_to_tensor(white), generator))[..., 0] == 0
    heights, widths = cut.any(axis=2).sum(axis=1), cut.any(axis=1).sum(axis=1)
    assert (heights.min(), heights.max(), widths.min(), widths.max()) == (3, 6, 4, 8)
    starts = [np.arange(side + 1)[:, None] - side // 4 for side in (H, W)]
    place = [np.arange(H) - starts[0], np.arange(W) - starts[1]]
    down, across = ((p >= 0) & (p < half) for p, half in zip(place, (H // 2, W // 2), strict=True))
    expected = np.outer(down.mean(axis=0), across.mean(axis=0))
    np.testing.assert_allclose(cut.mean(axis=0), expected, atol=0.04)


@pytest.mark.parametrize("name", augment.OPERATIONS)
def test_gradient_reaches_the_images(name):
    """Against finite differences, along random directions."""
    weights = np.random.default_rng(1).normal(size=IMAGES.shape).astype("float32")
    weights = ops.convert_to_tensor(weights)

    def value(images):
        return ops.sum(ops.sin(augment.OPERATIONS[name](images, 7)) * weights)

    gradient = array(backend.input_gradient(value, ops.convert_to_tensor(IMAGES)))
    for seed in range(3):
        direction = np.random.default_rng(seed + 2).normal(size=IMAGES.shape).astype("float32")
        high, low = (
            float(array(value(ops.convert_to_tensor(IMAGES + s * 1e-2 * direction))))
            for s in (1, -1)
        )
        assert (high - low) / 2e-2 == pytest.approx((gradient * direction).sum(), abs=0.1)
    assert np.linalg.norm(gradient) > 10


def test_policy_is_applied_in_its_order_with_new_numbers_each_time():
    layer, generator = augment.DiffAugment("cutout, color", seed=3), keras.random.SeedGenerator(3)
    images = ops.convert_to_tensor(IMAGES)
    results = []
    for _ in range(2):
        by_hand = images
        for name in ("cutout", "brightness", "saturation", "contrast"):
            by_hand = augment.OPERATIONS[name](by_hand, generator)
        results.append(array(layer(images)))
        np.testing.assert_array_equal(results[-1], array(by_hand))
    assert not np.array_equal(*results)


def test_an_empty_policy_changes_nothing():
    layer = augment.DiffAugment("")
    before = array(layer.seed_generator.state)
    assert layer(ops.convert_to_tensor(IMAGES)) is not None
    np.testing.assert_array_equal(array(layer(ops.convert_to_tensor(IMAGES))), IMAGES)
    np.testing.assert_array_equal(array(layer.seed_generator.state), before)


# ------------------------------------------------------------------------------- in a game


def players(seed=0, shape=(8, 8, 1)):
    keras.utils.set_random_seed(seed)
    return models.mlp.generator(shape, 8, (8,)), models.mlp.discriminator(shape, (8,))


def pixels(n=64):
    return np.random.default_rng(0).uniform(-1, 1, (n, 8, 8, 1)).astype("float32")


class Shift:
    """A change that can be written down, and a diary of what it was given."""

    def __init__(self):
        self.seen = []

    def __call__(self, images):
        self.seen.append(images)
        return 0.5 * images + 0.25


@pytest.mark.parametrize("loss", ["non_saturating", "relativistic"])
def test_both_players_see_both_kinds_of_images_changed(loss):
    """A game with a change is that of a discriminator which begins with the change."""
    shift, games = Shift(), []
    latents = np.random.default_rng(1).normal(size=(16, 8)).astype("float32")
    for augmentation in (shift, ""):
        made, judge = players()
        if not augmentation:
            images = keras.Input((8, 8, 1))
            judge = keras.Model(images, judge(keras.layers.Rescaling(0.5, 0.25)(images)))
        gan = GAN(made, judge)
        sgd = [keras.optimizers.SGD(0.1) for _ in range(2)]
        gan.compile(loss, (), *sgd, augment=augmentation)
        logs = gan.round([ops.convert_to_tensor(pixels(16))], [ops.convert_to_tensor(latents)])
        games.append([*gan.get_weights(), *(array(logs[name]) for name in sorted(logs))])
    for ours, theirs in zip(*games, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    assert len(shift.seen) == (4 if loss == "relativistic" else 3)


def test_penalties_see_the_changed_images():
    given = {}

    def spy(discriminator, real, fake):
        given["real"] = real
        return 0.0

    spy.of_gradient = False
    made, judge = players()
    gan = GAN(made, judge)
    gan.compile(penalties=[spy], augment=lambda images: 0.5 * images + 0.25)
    images = ops.convert_to_tensor(pixels(4))
    gan.discriminator_loss(images, images, None)
    np.testing.assert_allclose(array(given["real"]), 0.5 * pixels(4) + 0.25, rtol=1e-6)


def trained(policy, **rules):
    gan = GAN(*players())
    gan.compile(augment=policy, **rules)
    gan.fit(pixels(), batch_size=16, epochs=2, shuffle=False, verbose=0)
    return gan


@pytest.mark.slow
def test_fit_draws_new_numbers_can_be_repeated_and_depends_on_the_seed():
    weights = {}
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        layer = augment.DiffAugment("color,translation,cutout", seed)
        before = array(layer.seed_generator.state).copy()
        gan = trained(layer, ema=0.9)
        assert (array(layer.seed_generator.state) != before).any(), "the numbers would repeat"
        assert any(layer.seed_generator.state is v for v in gan.variables)
        weights[name] = np.concatenate([w.ravel() for w in gan.get_weights()])
    np.testing.assert_array_equal(weights["first"], weights["again"])
    assert not np.array_equal(weights["first"], weights["other"])
    assert np.isfinite(weights["first"]).all()


@pytest.mark.slow
def test_without_a_policy_the_game_is_as_before():
    plain, empty = trained(""), GAN(*players())
    empty.compile()
    empty.fit(pixels(), batch_size=16, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(plain.get_weights(), empty.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_saved_and_loaded_it_keeps_its_policy(tmp_path):
    gan = trained(augment.DiffAugment("translation,noise", seed=5))
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert (loaded.augment.policy, loaded.augment.seed) == ("translation,noise", 5)
    loaded.fit(pixels(), batch_size=16, verbose=0)


@pytest.mark.slow
def test_in_mixed_precision_images_are_changed_in_float32():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        gan = trained("color,translation,rotation,cutout")
        changed = gan.augment(ops.convert_to_tensor(pixels(4)))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert keras.backend.standardize_dtype(changed.dtype) == "float32"
    assert all(np.isfinite(w).all() for w in gan.get_weights())


def test_points_take_noise_only():
    points = np.zeros((16, 2), "float32")
    gan = GAN(models.mlp.generator((2,), 3, (8,)), models.mlp.discriminator((2,), (8,)))
    gan.compile(augment="noise")
    gan.fit(points, batch_size=8, verbose=0)
    gan.compile(augment="cutout")
    with pytest.raises(ValueError, match='not samples of shape .*only "noise" does'):
        gan.fit(points, batch_size=8, verbose=0)


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(ValueError, match="No augmentation is called 'cutoff'. Did you mean 'cutou"):
        augment.DiffAugment("translation,cutoff")
    with pytest.raises(ValueError, match="No augmentation is called 'colour'.*'color'"):
        GAN(*players()).compile(augment="colour")
    with pytest.raises(ValueError, match="a policy, such as .* not 3"):
        GAN(*players()).compile(augment=3)


# ------------------------------------------------------------------------------------ adaptive


def adaptive(probability, policy="brightness", **options):
    layer = augment.AdaptiveAugment(policy, **options)
    layer.build((None, 8, 8, 1))
    layer.probability.assign(probability)
    return layer


def test_each_operation_changes_so_many_images():
    images = np.zeros((4000, 8, 8, 1), "float32")
    for probability in (0.0, 0.3, 1.0):
        layer = adaptive(probability, "brightness,contrast")
        changed = (array(layer(images)) != 0).any(axis=(1, 2, 3))
        assert changed.mean() == pytest.approx(probability, abs=0.03)
    twice = (array(adaptive(0.3, "brightness,noise")(images)) != 0).any(axis=(1, 2, 3))
    assert twice.mean() == pytest.approx(1 - 0.7**2, abs=0.03)  # each with coins of its own


def test_of_all_images_it_is_the_policy():
    plain = augment.DiffAugment("brightness")
    for layer in (plain, adaptive(1.0)):
        keras.utils.set_random_seed(0)
        out = array(layer(np.zeros((500, 8, 8, 1), "float32")))[:, 0, 0, 0]
        assert abs(out).max() <= 0.5 and out.std() == pytest.approx(1 / 12**0.5, rel=0.1)


def test_the_probability_follows_the_signs():
    layer = adaptive(0.5, target=0.6, images=100)
    sure, torn = np.float32([1, 2, 3, 4]), np.float32([1, 2, 3, -4])  # 1 and 0.5
    found = []
    for logits in (sure, sure, torn, torn, torn):
        layer.observe(ops.convert_to_tensor(logits[:, None]))
        found.append(float(array(layer.probability)))
    np.testing.assert_allclose(found, [0.54, 0.58, 0.54, 0.5, 0.46], atol=1e-6)
    for probability, logits, end in ((0.99, sure, 1.0), (0.01, torn, 0.0)):
        layer.probability.assign(probability)
        layer.observe(ops.convert_to_tensor(logits[:, None]))
        assert float(array(layer.probability)) == end


def test_a_sign_counts_as_one_and_a_mean_at_the_target_moves_nothing():
    layer = adaptive(0.5, target=0.5, images=100)
    for logits, end in (([9, 9, 9, -1], 0.5), ([1, 1, 1, -9], 0.5), ([99, 99, -1, -1], 0.46)):
        layer.observe(ops.convert_to_tensor(np.float32(logits)[:, None]))
        assert float(array(layer.probability)) == pytest.approx(end)


def test_it_is_by_default_the_papers():
    layer = augment.AdaptiveAugment()
    assert (layer.target, layer.images) == (0.6, 500_000)


def test_an_image_counts_once_however_many_logits_it_has():
    layer = adaptive(0.0, images=100)
    layer.observe(ops.convert_to_tensor(np.ones((4, 5, 5, 1), "float32")))
    assert float(array(layer.probability)) == pytest.approx(0.04)


@pytest.mark.slow
def test_a_training_moves_it_and_a_file_keeps_it(tmp_path):
    gan = GAN(*players())
    rule = augment.AdaptiveAugment("translation", target=-0.9, images=64)
    gan.compile(augment=rule)
    gan.fit(pixels(16), batch_size=8, verbose=0)
    risen = float(array(gan.augment.probability))
    assert risen == pytest.approx(2 * 8 / 64)
    gan.save(tmp_path / "gan.keras")
    again = keras.saving.load_model(tmp_path / "gan.keras").augment
    assert float(array(again.probability)) == risen
    assert (again.policy, again.target, again.images) == ("translation", -0.9, 64)


def test_it_follows_the_real_images():
    """A discriminator that knows the real ones by their brightness."""
    made, judge = players()
    judge = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(1, name="logit")]
    )
    judge.get_layer("logit").kernel.assign(np.ones((64, 1)))
    gan = GAN(made, judge)
    gan.compile("hinge", augment=augment.AdaptiveAugment("noise", target=0.0, images=100))
    bright = ops.ones((10, 8, 8, 1))
    for real, end in ((bright, 0.1), (bright, 0.2), (-bright, 0.1)):
        gan.discriminator_loss(-real, real, None)
        assert float(array(gan.augment.probability)) == pytest.approx(end)


TWO = """
import keras, numpy as np
import tensorflow as tf
from ganlib import augment

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    layer = augment.AdaptiveAugment("noise", target=0.2, images=100)
    layer.build((None, 8, 8, 1))
for right in (4, 3):  # of 4 on one device, and of its 4 the other has 2: together 0.5, then 0.25
    shares = iter([right, 2])
    logits = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(np.where(np.arange(4) < next(shares), 1.0, -1.0), "float32")
    )
    tf.function(strategy.run)(layer.observe, (logits,))
found = [float(x) for x in layer.probability.value.values]
np.testing.assert_allclose(found, [0.16, 0.16], atol=1e-6)
print("the same")
"""


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="it is TensorFlow's")
def test_of_two_devices_all_images_count():
    assert "the same" in run("tensorflow", "-c", TWO)


def test_signs_that_say_nothing():
    for loss in ("wasserstein", "relativistic", "least_squares"):
        with pytest.raises(ValueError, match="follows the sign of the logits of real images, wh"):
            GAN(*players()).compile(loss, augment=augment.AdaptiveAugment())
        GAN(*players()).compile(loss, augment="color")
    for loss in ("hinge", "minimax", losses.LeastSquares(-1.0, 1.0, 0.0)):
        GAN(*players()).compile(loss, augment=augment.AdaptiveAugment())


@pytest.mark.parametrize("wrong", [{"target": 1.0}, {"target": -2}, {"images": 0}])
def test_a_target_is_a_mean_of_signs(wrong):
    with pytest.raises(ValueError, match="between -1 and 1, and images a positive number"):
        augment.AdaptiveAugment("noise", **wrong)
