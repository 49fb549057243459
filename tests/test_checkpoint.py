"""A training that was stopped goes on as if it never had been. `test_backends.py` runs this file on
JAX and PyTorch too."""

import functools
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import keras
import numpy as np
import pytest

import ganlib
from ganlib import GAN, callbacks, penalties
from ganlib.training import checkpoint

TENSORFLOW = keras.config.backend() == "tensorflow"
ROOT = Path(ganlib.__file__).parents[1]
IMAGES = np.random.default_rng(0).integers(0, 256, (50, 2, 2, 1), dtype="uint8")


def build(width=4, steps_per_execution=1):
    """A GAN with every kind of state."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    generator = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(width),
            layers.BatchNormalization(),
            layers.Dropout(0.2),
            layers.Dense(4, activation="tanh"),
            layers.Reshape((2, 2, 1)),
        ]
    )
    discriminator = keras.Sequential(
        [
            keras.Input((2, 2, 1)),
            layers.Flatten(),
            ganlib.layers.SpectralNormalization(layers.Dense(width)),
            layers.LeakyReLU(),
            layers.Dropout(0.2),
            layers.Dense(1),
        ]
    )
    gan = GAN(generator, discriminator)
    gan.compile(
        penalties=[penalties.GradientPenalty()],
        ema=0.9,
        generator_optimizer=keras.optimizers.Adam(0.02, beta_1=0.5),
        discriminator_optimizer=keras.optimizers.Adam(0.02, beta_1=0.5),
        steps_per_execution=steps_per_execution,
    )
    return gan


def conditional():
    """A GAN with labels in every place that keeps something of its own."""
    layers, classes = keras.layers, 3
    keras.utils.set_random_seed(0)
    latents, labels = keras.Input((3,)), keras.Input((), dtype="int32")
    x = layers.Dense(4)(latents)
    x = ganlib.layers.ConditionalBatchNormalization(classes, spectral_norm=True)(x, labels)
    generator = keras.Model([latents, labels], layers.Reshape((2, 2, 1))(layers.Dense(4)(x)))
    images = keras.Input((2, 2, 1))
    features = ganlib.layers.SpectralNormalization(layers.Dense(4))(layers.Flatten()(images))
    logits = ganlib.layers.Projection(classes, spectral_norm=True)(features, labels)
    gan = GAN(generator, keras.Model([images, labels], logits))
    gan.compile("hinge", ema=0.9, n_critic=2)
    return gan


def small():
    """A GAN that compiles soon."""
    keras.utils.set_random_seed(0)
    gan = GAN(
        ganlib.models.mlp.generator((4,), 3, (4,)), ganlib.models.mlp.discriminator((4,), (4,))
    )
    gan.compile(ema=0.9)
    return gan


@functools.cache
def _built(make):
    gan = make()
    return gan, checkpoint.state(gan)


def fresh(make=build):
    """What `make` returns, without the time that Keras takes to compile it anew."""
    gan, initial = _built(make)
    keras.utils.set_random_seed(0)
    checkpoint.assign(gan, initial)
    return gan


class Stop(keras.callbacks.Callback):
    """Do something just before a step, counted from the first of this process."""

    def __init__(self, step, action):
        super().__init__()
        self.step, self.action = step, action

    def on_train_batch_begin(self, batch, logs=None):
        self.step -= 1
        if self.step == -1:
            self.action()


class Killed(Exception):
    """Ends `fit` at once, as a crash does."""


def crash():
    raise Killed


def batches(repeat=False):
    return ganlib.data.Dataset("noise", IMAGES).batches(10, seed=1, repeat=repeat)  # 5 an epoch


def fit(folder=None, stop=None, action=crash, data=batches, used=(), gan=None, **options):
    """What a script does. With `stop`, something happens to it just before that step."""
    every = options.pop("every", 0)
    used = list(used)
    if folder:
        used = [callbacks.Checkpoint(folder, every=every), *used]
    if stop is not None:
        used.append(Stop(stop, action))
    gan = gan or fresh()
    options = {"epochs": 3, "verbose": 0, **options}
    return gan, gan.fit(data(), callbacks=used, **options)


def outcome(gan, history):
    """Every variable, with its value, and what `fit` returned."""
    values = checkpoint.state(gan)[: len(checkpoint.variables(gan))]
    return values, history.epoch, history.history


def same(one, other):
    assert one[1:] == other[1:]
    for a, b in zip(one[0], other[0], strict=True):
        np.testing.assert_array_equal(a, b)


def names(folder):
    return sorted(file.name for file in Path(folder).iterdir() if file.name != "lock")


def killed(folder, stop, **options):
    with pytest.raises(Killed):
        fit(folder, stop, **options)


# ------------------------------------------------------------------------------ going on exactly


@pytest.fixture(scope="module")
def whole():
    """A training that never stopped, without any checkpoint."""
    return outcome(*fit(gan=build()))


@pytest.mark.slow
def test_stopped_anywhere_it_ends_as_if_it_never_had_been(tmp_path, whole):
    killed(tmp_path, 0)  # before the first step
    killed(tmp_path, 5)  # between two epochs
    killed(tmp_path, 3)  # within the second
    same(outcome(*fit(tmp_path, gan=build())), whole)
    same(outcome(*fit(tmp_path)), whole)  # nothing was left to do


def test_what_is_restored_differs_from_a_new_training_in_every_kind_of_state(whole):
    kinds = {"momentum": 0, "velocity": 0, "moving_mean": 0, "seed_generator_state": 0}
    kinds |= {"u": 0, "kernel": 0, "iteration": 0, "total": 0}
    gan = build()
    for variable, value in zip(checkpoint.variables(gan), whole[0], strict=True):
        for kind in kinds:
            if variable.name.endswith(kind):
                changed = not np.array_equal(keras.ops.convert_to_numpy(variable), value)
                kinds[kind] += changed
    assert all(kinds.values()), kinds
    # The latents', the penalty's and two dropouts', which on PyTorch have none.
    assert kinds["seed_generator_state"] == (2 if keras.config.backend() == "torch" else 4)


def endless():
    return batches(repeat=True)


def density():
    class Images(ganlib.data.Density):
        dim = 4

        def sample(self, n, seed=0):
            return np.random.default_rng(seed).uniform(-1, 1, (n, 4)).astype("float32")

    return Images().batches(10)


def arrays():
    return ganlib.data.scale(IMAGES)


class Foreign(keras.utils.PyDataset):
    """Of the order that it has in an epoch it knows nothing when it is made."""

    order = np.arange(5)

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return arrays().reshape(5, 10, 2, 2, 1)[self.order[index]]

    def on_epoch_end(self):
        self.order = np.roll(self.order * 2 % 5, 1)


def foreign_tf():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(arrays()).shuffle(50, seed=3).batch(10)


def unknown_length():
    return foreign_tf().filter(lambda x: True)


DATA = {
    "endless": (endless, {"steps_per_epoch": 7}),
    "cut otherwise": (batches, {"steps_per_epoch": 3}),
    "foreign": (Foreign, {}),
    "arrays": (arrays, {"batch_size": 10, "shuffle": False}),
    "later epochs": (batches, {"initial_epoch": 1, "epochs": 4}),
}
if TENSORFLOW:
    DATA["foreign tf.data"] = (foreign_tf, {})
    DATA["of unknown length"] = (unknown_length, {})
    DATA["several steps at once"] = (endless, {"steps_per_epoch": 6})
else:
    DATA["shuffled by Keras"] = (batches, {"shuffle": True})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*ran out of data")
@pytest.mark.parametrize("kind", DATA)
def test_the_order_of_any_data_goes_on(kind, tmp_path):
    data, options = DATA[kind]

    gan = {"several steps at once": lambda: build(steps_per_execution=2)}.get(kind, fresh)
    reference = outcome(*fit(data=data, gan=gan(), **options))
    killed(tmp_path, 4, data=data, gan=gan(), **options)
    same(outcome(*fit(tmp_path, data=data, gan=gan(), **options)), reference)


@pytest.mark.slow
@pytest.mark.parametrize("repeat", [False, True])
def test_labels_go_on_beside_their_images(repeat, tmp_path):
    labels = np.random.default_rng(1).integers(0, 3, len(IMAGES))
    dataset = ganlib.data.Dataset("noise", IMAGES, labels, ("a", "b", "c"))
    options = {"data": lambda: dataset.batches(10, seed=1, repeat=repeat, labels=True)}
    options |= {"steps_per_epoch": 7} if repeat else {}
    reference = outcome(*fit(gan=fresh(conditional), **options))
    vectors = [
        not np.array_equal(before, after)
        for variable, before, after in zip(
            checkpoint.variables(fresh(conditional)),
            checkpoint.state(fresh(conditional))[: len(reference[0])],
            reference[0],
            strict=True,
        )
        if variable.name == "u"
    ]
    assert sum(vectors) >= 4  # of the two maps of a class, the features, and the projection
    killed(tmp_path, 9, gan=fresh(conditional), **options)
    killed(tmp_path, 2, gan=fresh(conditional), **options)
    same(outcome(*fit(tmp_path, gan=fresh(conditional), **options)), reference)


@pytest.mark.slow
def test_points_of_a_density_go_on(tmp_path):
    options = {"data": density, "steps_per_epoch": 50}  # a chunk of it has 64
    reference = outcome(*fit(gan=fresh(small), **options))
    killed(tmp_path, 120, gan=fresh(small), **options)
    same(outcome(*fit(tmp_path, gan=fresh(small), **options)), reference)


def test_the_same_objects_go_on_after_an_interrupt(tmp_path, whole):
    """As in a notebook, where only the cell with `fit` is run again."""
    gan, data = fresh(), batches()
    killed(tmp_path, 8, gan=gan, data=lambda: data)
    same(outcome(*fit(tmp_path, gan=gan, data=lambda: data)), whole)


@pytest.mark.slow
@pytest.mark.parametrize("data", [batches, endless])
def test_a_script_that_fits_twice_with_the_same_data(data, tmp_path):
    def script(folder, stop=None):
        gan, given, options = fresh(), data(), {"steps_per_epoch": 5 if data is endless else None}
        fit(folder and folder / "1", data=lambda: given, gan=gan, **options)
        return outcome(*fit(folder and folder / "2", stop, data=lambda: given, gan=gan, **options))

    reference = script(None)
    with pytest.raises(Killed):
        script(tmp_path, 7)
    same(script(tmp_path), reference)


def test_a_training_that_another_callback_ended_goes_on_from_there(tmp_path, whole):
    class Enough(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 2

    _, history = fit(tmp_path, used=[Enough()], every=60)
    assert history.epoch == [0]
    assert names(tmp_path) == ["epoch-000000-step-00000003.npz"]
    same(outcome(*fit(tmp_path)), whole)


@pytest.mark.skipif(
    keras.config.backend() == "torch",
    reason="where an epoch begins, PyTorch's loader draws from the seed that its dropout uses",
)
def test_more_epochs_can_be_asked_for(tmp_path, whole):
    fit(tmp_path, epochs=2)
    same(outcome(*fit(tmp_path, epochs=3)), whole)


def test_a_learning_rate_changed_in_the_script_holds(tmp_path):
    killed(tmp_path, 4)
    gan = fresh()
    gan.generator_optimizer.learning_rate = 0.001
    fit(tmp_path, gan=gan)
    assert float(gan.generator_optimizer.learning_rate) == pytest.approx(0.001)


@pytest.mark.slow
def test_a_learning_rate_that_the_training_changed_is_restored(tmp_path):
    class Halve(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            optimizer = self.model.generator_optimizer
            optimizer.learning_rate = float(optimizer.learning_rate) / 2

    reference = outcome(*fit(used=[Halve()]))
    killed(tmp_path, 7, used=[Halve()])
    killed(tmp_path, 3, used=[Halve()])  # where an epoch begins
    same(outcome(*fit(tmp_path, used=[Halve()])), reference)


def test_resuming_says_so_and_where(tmp_path, capsys):
    killed(tmp_path, 7)
    capsys.readouterr()
    fit(tmp_path, verbose=2)
    assert f"Going on from {tmp_path}, after 1 epochs and 2 steps." in capsys.readouterr().out


@pytest.mark.parametrize("repeat", [False, True])
def test_data_go_to_any_batch_and_read_only_what_is_used(repeat):
    def read(data, count):
        if TENSORFLOW:
            return [batch.numpy() for batch in itertools.islice(data, count)]
        return [data[i] for i in range(count)]

    class Counted:
        """Images that count how often they are looked at."""

        dtype, shape, looks = IMAGES.dtype, IMAGES.shape, 0

        def __len__(self):
            return len(IMAGES)

        def __getitem__(self, rows):
            self.looks += len(rows)
            return IMAGES[rows]

    def stream(images=IMAGES):
        return ganlib.data.Dataset("noise", images).batches(10, seed=1, repeat=repeat)

    data = stream()
    expected = read(data, 15) if repeat else [b for _ in range(3) for b in read(data, 5)]
    assert data.tell() == (0 if repeat else 15)
    for place in (0, 3, 5, 14):
        images = Counted()
        data = stream(images)
        images.looks = 0
        dropped = data.seek(place)
        end = 15 if repeat else 5 * (place // 5 + 1)
        got = read(data, dropped + end - place)[dropped:]
        np.testing.assert_array_equal(got, expected[place:end])
        if not TENSORFLOW:  # which makes many small batches at a time
            assert images.looks <= 10 * (len(got) + 1)


# ---------------------------------------------------------------------------- what is kept


def test_the_last_ones_are_kept_and_rarely_written(tmp_path):
    fit(tmp_path / "often", every=0)
    assert names(tmp_path / "often") == [
        "epoch-000002-step-00000004.npz",
        "epoch-000003-step-00000000.npz",
    ]
    fit(tmp_path / "rarely", every=60)
    assert names(tmp_path / "rarely") == ["epoch-000003-step-00000000.npz"]
    used = callbacks.Checkpoint(tmp_path / "many", every=0, keep=4)
    fit(used=[used])
    assert len(names(tmp_path / "many")) == 4


@pytest.mark.slow
@pytest.mark.parametrize("stop", [None, 8, 11])
def test_the_best_is_kept_whole(stop, tmp_path):
    scores = {0: 3.0, 1: 1.0, 2: float("nan"), 3: 2.0}
    seen = {}

    class Score(keras.callbacks.Callback):  # after the checkpoint in the list
        def on_epoch_end(self, epoch, logs=None):
            logs["fid"] = scores[epoch]
            seen[epoch] = self.model.get_weights()

    def used():
        return [callbacks.Checkpoint(tmp_path, every=0, best="fid"), Score()]

    if stop:
        killed(None, stop, used=used(), epochs=4)
    gan, _ = fit(used=used(), epochs=4)
    checkpoint.load(gan, tmp_path / "best.npz")
    for a, b in zip(gan.get_weights(), seen[1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(gan.generator_optimizer.iterations) == 10


def test_a_best_that_no_epoch_has_is_said(tmp_path):
    with pytest.warns(
        UserWarning, match="No epoch recorded 'fdi', so none is the best: .*generator_los"
    ):
        fit(used=[callbacks.Checkpoint(tmp_path, best="fdi")], epochs=1)


def test_keep_is_at_least_one(tmp_path):
    with pytest.raises(ValueError, match="at least 1, not 0"):
        callbacks.Checkpoint(tmp_path, keep=0)


# ---------------------------------------------------------------------------- signals


def test_an_interrupt_saves_and_stops(tmp_path, whole):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(
        KeyboardInterrupt, match="is saved in .*after 1 epochs and 3 steps: run the"
    ):
        fit(tmp_path, 7, lambda: signal.raise_signal(signal.SIGINT), every=60)
    assert signal.getsignal(signal.SIGINT) is before
    assert names(tmp_path) == ["epoch-000001-step-00000003.npz"]
    same(outcome(*fit(tmp_path)), whole)


def test_a_second_interrupt_stops_at_once(tmp_path):
    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, 7, twice, every=60)
    assert names(tmp_path) == []


def test_sigterm_saves_and_reaches_who_listened_before(tmp_path, capsys):
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append(names(tmp_path)))
    try:
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path, 3, lambda: signal.raise_signal(signal.SIGTERM), every=60)
        assert heard == [["epoch-000000-step-00000004.npz"]]
        with pytest.raises(Killed):  # after an error, too, the handler is the one from before
            fit(tmp_path, 3)
        signal.raise_signal(signal.SIGTERM)
        assert len(heard) == 2
    finally:
        signal.signal(signal.SIGTERM, before)
    assert "The training is saved in" in capsys.readouterr().err


def test_without_the_main_thread_signals_are_left_alone(tmp_path):
    done = []
    thread = threading.Thread(target=lambda: done.append(fit(tmp_path, epochs=1)))
    thread.start()
    thread.join()
    assert done and len(names(tmp_path)) == 2


# ---------------------------------------------------------------------------- faults


def latest(folder):
    return Path(folder) / names(folder)[-1]


def newer(file, monkeypatch):
    with monkeypatch.context() as later:
        later.setattr(checkpoint, "FORMAT", 2)
        gan = fresh()
        checkpoint.write(file, gan, checkpoint.state(gan))


def foreign(file, monkeypatch):
    gan = fresh(small)
    checkpoint.write(file, gan, checkpoint.state(gan))


def truncated(file, monkeypatch):
    file.write_bytes(file.read_bytes()[:-100])


@pytest.mark.parametrize(
    "change, sentence",
    [
        (truncated, "is damaged or no checkpoint."),
        (foreign, r"belongs to another model \(it holds .*or choose another folder."),
        (newer, r"was written by a newer ganlib \(format 2.*or choose another folder."),
    ],
)
def test_a_checkpoint_that_cannot_be_used_is_passed_over(
    change, sentence, tmp_path, whole, monkeypatch
):
    killed(tmp_path, 7)
    file = latest(tmp_path)
    change(file, monkeypatch)
    with pytest.warns(
        UserWarning, match=f"step-00000002.npz {sentence} Using epoch-000001-step-00000001.npz inst"
    ):
        same(outcome(*fit(tmp_path)), whole)
    assert file.with_suffix(".refused").exists()


def test_only_damaged_checkpoints_are_no_reason_to_begin_anew(tmp_path):
    killed(tmp_path, 7)
    for name in names(tmp_path):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(
        ValueError, match="None of the checkpoints in .* can be read: move them away"
    ):
        fit(tmp_path)


@pytest.mark.slow
def test_any_damage_is_seen(tmp_path):
    """Bytes changed, cut or added anywhere, in 300 ways: refused, or without any effect."""
    killed(tmp_path, 2)
    file, gan, rng = latest(tmp_path), fresh(), np.random.default_rng(0)
    content = file.read_bytes()
    about, right = checkpoint.read(file, gan)
    refused = 0
    for trial in range(300):
        broken, place = bytearray(content), rng.integers(len(content))
        if trial % 3 == 0:
            del broken[place:]
        elif trial % 3 == 1:
            broken[place] ^= 1 << rng.integers(8)
        else:
            broken[place : place + 50] = rng.bytes(50)
        file.write_bytes(broken)
        try:
            got = checkpoint.read(file, gan)
        except checkpoint.Damaged:
            refused += 1
            continue
        assert got[0] == about
        for a, b in zip(got[1], right, strict=True):
            np.testing.assert_array_equal(a, b)
    assert refused > 200  # the rest hit what an archive says twice


def test_a_strangers_file_runs_no_code(tmp_path):
    class Trap:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    killed(tmp_path, 2)
    for name in names(tmp_path):
        np.savez(tmp_path / name, about=np.array([Trap()], dtype=object))
    with pytest.raises(ValueError, match="can be read"):
        fit(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_another_models_checkpoint_is_refused_and_left_as_it_was(tmp_path):
    killed(tmp_path, 7)
    before = names(tmp_path)
    with pytest.raises(
        ValueError, match=r"belongs to another model \(.*is float32 \(3, 4\) there and .*\(3, 5\)"
    ):
        fit(tmp_path, gan=build(width=5))
    with pytest.raises(ValueError, match=r"it holds \d+ variables, this one has \d+"):
        fit(tmp_path, gan=fresh(small))
    assert names(tmp_path) == before


def test_a_newer_checkpoint_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT", 2)
    killed(tmp_path, 7)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"written by a newer ganlib \(format 2.*: update ganlib"):
        fit(tmp_path)


def test_other_steps_are_refused(tmp_path):
    killed(tmp_path, 7, data=endless, steps_per_epoch=5)
    with pytest.raises(ValueError, match="2 steps into an epoch of 5, but now an epoch has 6"):
        fit(tmp_path, data=endless, steps_per_epoch=6)


def test_a_full_disk_does_not_end_a_training(tmp_path, whole):
    part = tmp_path / "checkpoint.part"
    part.symlink_to("/dev/full")  # once: it is removed after the failure
    with pytest.warns(
        UserWarning, match=r"No checkpoint .* \(No space left on device\): the train"
    ):
        same(outcome(*fit(tmp_path)), whole)
    assert len(names(tmp_path)) == 2


def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path):
    gan, file = fresh(), tmp_path / "best.npz"
    checkpoint.write(file, gan, checkpoint.state(gan))
    before = file.read_bytes()
    (tmp_path / "checkpoint.part").symlink_to("/dev/full")
    with pytest.raises(OSError):
        checkpoint.write(file, gan, checkpoint.state(gan))
    assert file.read_bytes() == before and names(tmp_path) == ["best.npz"]


def test_a_folder_that_takes_no_files_is_refused_before_training(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="No checkpoint can be written to .*: choose another folder"):
        fit(tmp_path / "file" / "folder")


def test_two_trainings_do_not_share_a_folder(tmp_path):
    pytest.importorskip("fcntl")

    def second():
        with pytest.raises(ValueError, match="Another training is writing .*choose another folder"):
            fit(tmp_path)
        crash()

    killed(tmp_path, 3, action=second)
    fit(tmp_path)  # the first one's end opened it again


def test_weights_that_are_not_finite_replace_no_checkpoint(tmp_path):
    data = arrays()
    data[33] = np.nan  # in the fourth batch
    options = {"data": lambda: data, "batch_size": 10, "shuffle": False}
    with pytest.raises(FloatingPointError, match="step 4 of epoch 1"):
        fit(tmp_path, **options)
    assert names(tmp_path)[-1] == "epoch-000000-step-00000003.npz"
    for name in names(tmp_path):
        assert checkpoint.finite(checkpoint.read(tmp_path / name, fresh())[1])


# ---------------------------------------------------------------------------- killed


KILLS = """
import json, os, random, signal, sys, time, traceback

sys.path.insert(0, "tests")
import ganlib, test_checkpoint as t

ganlib.repeatable()
folder, kills = sys.argv[1], int(sys.argv[2])


class Tell(t.keras.callbacks.Callback):
    def __init__(self, pipe):
        super().__init__()
        self.pipe = pipe

    def on_train_batch_begin(self, batch, logs=None):
        os.write(self.pipe, b".")


def train(place, pipe):
    options = {"data": t.density, "steps_per_epoch": 40, "epochs": 5, "used": [Tell(pipe)]}
    gan, history = t.fit(place, gan=t.small(), **options)  # a checkpoint after every step
    values, *rest = t.outcome(gan, history)
    t.np.savez(place + ".npz", *values, rest=json.dumps(rest))


def ends(place, steps, seconds):
    "Whether a training ends before so many steps have begun; if not, it is killed soon after."
    told, pipe = os.pipe()
    child = os.fork()  # what is imported need not be again; no tensor has been made yet
    if not child:
        try:
            train(place, pipe)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(pipe)
    with open(told, "rb") as told:
        if len(told.read(steps)) == steps:
            time.sleep(seconds)
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL)
    return status == 0


ends(os.path.join(folder, "whole"), 1000, 0)
rng, trainings, reached = random.Random(0), 0, []
while kills:
    place = os.path.join(folder, str(trainings))
    while not ends(place, rng.randrange(1, 50) if kills else 1000, rng.uniform(0, 0.01)):
        kills -= 1
        reached.append(max(t.names(place), default=""))
    trainings += 1
print(json.dumps([trainings, reached]))
"""


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_killed_at_random_moments_it_ends_with_the_same_bits(tmp_path):
    """In any step, or while any of its checkpoints is written."""
    kills = 8 if TENSORFLOW else 3
    done = subprocess.run(
        [sys.executable, "-c", KILLS, str(tmp_path), str(kills)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    trainings, reached = json.loads(done.stdout.splitlines()[-1])
    assert len(reached) == kills and len(set(reached)) > kills // 3
    with np.load(tmp_path / "whole.npz") as expected:
        for number in range(trainings):
            with np.load(tmp_path / f"{number}.npz") as got:
                assert got.files == expected.files
                for key in got.files:
                    np.testing.assert_array_equal(got[key], expected[key])
