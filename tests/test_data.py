import hashlib
import http.server
import os
import subprocess
import sys
import threading
from importlib.util import find_spec

import keras
import numpy as np
import pytest
from PIL import Image
from sources import NEEDS

from ganlib import data
from ganlib.data import batches, cache, stored

GIVEN_FOLDER = os.environ.get("GANLIB_DATA", "")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Every test has an empty data folder and an empty cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def numbered(n, side=2):
    """Image i has the value i everywhere."""
    values = np.arange(n, dtype=np.uint8)[:, None, None, None]
    return data.Dataset("numbered", np.broadcast_to(values, (n, side, side, 1)).copy())


def numbers(batch):
    """Which images of `numbered` make up a batch."""
    return data.to_uint8(keras.ops.convert_to_numpy(batch))[:, 0, 0, 0].tolist()


def take(stream, n):
    """The first n batches of an endless stream."""
    return [batch for _, batch in zip(range(n), stream, strict=False)]


# ------------------------------------------------------------------------------------ images


def test_scaling_is_exact_both_ways():
    values = np.arange(256, dtype=np.uint8)
    scaled = data.scale(values)
    assert scaled.dtype == np.float32
    assert (scaled[0], scaled[-1]) == (-1, 1)
    assert (data.to_uint8(scaled) == values).all()
    assert data.to_uint8([-3.0, 0.001, 3.0]).tolist() == [0, 128, 255]


@pytest.mark.slow
def test_glyphs_know_their_class_and_typeface():
    glyphs = data.load("glyphs", n=36)
    assert glyphs.image_shape == (28, 28, 1)
    assert len(glyphs) == len(glyphs.labels) == len(glyphs.typefaces) == 36
    assert glyphs.class_names == tuple("0123456789")
    assert len(glyphs.typeface_names) == 18
    assert "36 images of 28x28x1, 10 classes" in repr(glyphs)
    assert (data.load("glyphs", n=36, seed=1).images != glyphs.images).any()


@pytest.mark.slow
def test_letters_are_drawn_and_kept_as_glyphs_are(tmp_path):
    letters = data.load("letters", n=52)
    assert letters.image_shape == (28, 28, 1)
    assert letters.class_names == tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert len(letters.typefaces) == 52
    assert letters.typeface_names == data.load("glyphs", n=1).typeface_names
    assert len(list((tmp_path / "cache" / "ganlib").iterdir())) == 2
    assert (data.load("letters", n=52).images == letters.images).all()


def test_glyphs_are_kept_and_a_damaged_copy_is_drawn_again(folder, tmp_path, monkeypatch):
    first = data.load("glyphs", n=20).images
    assert not folder.exists()  # it belongs to the data sets, and may be shared
    (kept,) = (tmp_path / "cache" / "ganlib").iterdir()  # one file, no leftover part
    with monkeypatch.context() as patch:
        patch.setattr(data.glyphs, "draw", None)  # would fail if it were called
        assert (data.load("glyphs", n=20).images == first).all()
    kept.write_bytes(kept.read_bytes()[:-100])
    assert (data.load("glyphs", n=20).images == first).all()
    with np.load(kept) as file:
        arrays = dict(file)
    arrays["array_0"] = 255 - arrays["array_0"]  # a sound file with other images
    np.savez(kept, **arrays)
    assert (data.load("glyphs", n=20).images == first).all()


def test_a_folder_that_takes_no_files_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "below"))
    assert len(data.load("glyphs", n=5)) == 5


def test_digits_are_real_handwriting_and_need_no_file():
    digits = data.load("digits")
    assert digits.images.shape == (1797, 8, 8, 1)
    assert digits.images.dtype == np.uint8
    assert (digits.images.min(), digits.images.max()) == (0, 255)
    assert digits.labels[:10].tolist() == list(range(10))


def test_what_a_smaller_share_sets_apart_a_larger_one_does_too():
    """So that a judge of one run has not seen what another run has set apart."""
    few, many = (numbered(60).split(share, seed=3)[1].images[:] for share in (0.1, 0.2))
    assert set(few.ravel()) < set(many.ravel())


def test_take_and_split_keep_labels_with_their_images():
    images = numbered(50)
    labelled = data.Dataset("n", images.images, np.arange(50))
    assert labelled.take(7).labels.tolist() == list(range(7))
    rest, held_out = labelled.split(0.2, seed=3)
    assert (len(rest), len(held_out)) == (40, 10)
    assert sorted([*rest.labels, *held_out.labels]) == list(range(50))
    for part in (rest, held_out):
        assert (part.images[:, 0, 0, 0] == part.labels).all()
    assert (labelled.split(0.2, seed=3)[1].labels == held_out.labels).all()
    assert (labelled.split(0.2, seed=4)[1].labels != held_out.labels).any()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: data.load("mnits"),
            r"no data set 'mnits' \(did you mean mnist.*glyphs, letters, digits, mn",
        ),
        (lambda: data.load("zzz"), "no data set 'zzz': the names are glyphs, letters, digits"),
        (lambda: data.load("glyphs", sise=3), "no option 'sise': its options are size, n"),
        (
            lambda: data.load("digits", split="test"),
            r"its options are size; .split\(0.2\) sets images apart",
        ),
        (lambda: data.load("mnist", split="val"), "no split 'val': use 'train' or 'test'"),
        (lambda: data.load("glyphs", n=0), "n of at least 1, not 0"),
        (
            lambda: numbered(9).batches(10),
            r"batch_size is 10, but 'numbered' \(9 images\) allows 1",
        ),
        (lambda: numbered(9).batches(0), "batch_size is 0"),
        (lambda: numbered(9).take(10), r"take\(10\) needs a number from 1 to 9"),
        (lambda: numbered(9).split(1.0), "leaves one part"),
        (lambda: data.Dataset("x", np.zeros((2, 3, 3))), r"float64 of shape \(2, 3, 3\)"),
        (
            lambda: data.Dataset("x", numbered(4).images, np.arange(3)),
            "4 images but 3 labels",
        ),
        (
            lambda: data.Dataset("x", numbered(5).images, np.arange(5), ("a", "b")),
            "'x' are from 0 to 1, as it has 2 class names; these go from 0 to 4",
        ),
        (
            lambda: data.Dataset("x", numbered(2).images, np.array([0, -1]), ("a", "b")),
            "'x' are from 0 to 1, as it has 2 class names; these go from -1 to 0",
        ),
        (
            lambda: data.Dataset("x", numbered(2).images, np.array([0, -1])),
            "'x' begin at 0; these go from -1 to 0",
        ),
        *(
            (
                lambda labels=labels: data.Dataset("x", numbered(2).images, labels, ("a", "b")),
                rf"'x' are whole numbers \(N,\), one for each image, not {kind}",
            )
            for labels, kind in (
                (np.zeros(2), r"float64 of shape \(2,\)"),
                (np.zeros((2, 1), int), r"int64 of shape \(2, 1\)"),
                (np.array(1), r"int64 of shape \(\)"),
                (np.array(["a", "b"]), r"<U1 of shape \(2,\)"),
            )
        ),
    ],
)
def test_bad_requests_get_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)


# ----------------------------------------------------------------------------------- batches


def test_every_epoch_is_a_permutation_of_its_own_less_the_last_partial_batch():
    stream = numbered(23).batches(5, seed=1)
    epochs = [[numbers(batch) for batch in stream] for _ in range(3)]
    for number, epoch in enumerate(epochs):
        flat = sum(epoch, [])
        assert [len(batch) for batch in epoch] == [5] * 4
        assert len(set(flat)) == 20
        assert flat == batches.permutation(23, 1, number)[:20].tolist()
    assert epochs[0] != epochs[1] != epochs[2]


def test_repeated_batches_are_the_epochs_end_to_end():
    once = numbered(23).batches(5, seed=1)
    epochs = [numbers(batch) for _ in range(3) for batch in once]
    again = numbered(23).batches(5, seed=1, repeat=True)
    assert [numbers(batch) for batch in take(again, 12)] == epochs
    other = numbered(23).batches(5, seed=2, repeat=True)
    assert [numbers(batch) for batch in take(other, 12)] != epochs


def test_a_look_at_the_first_batch_does_not_use_up_an_epoch():
    stream = numbered(20).batches(5)
    looked = numbers(next(iter(stream)))
    assert numbers(next(iter(stream))) == looked


def test_images_of_a_batch_are_scaled_exactly():
    digits = data.load("digits")
    batch = keras.ops.convert_to_numpy(next(iter(digits.batches(64, seed=7))))
    expected = digits.images[batches.permutation(1797, 7)[:64]]
    assert batch.dtype == np.float32
    assert (batch == data.scale(expected)).all()


def test_fit_sees_the_batches_in_order():
    class Recorder(keras.Model):
        def __init__(self):
            super().__init__()
            self.seen = []

        def call(self, batch):
            return batch

        def train_step(self, *args):
            batch, _, _ = keras.utils.unpack_x_y_sample_weight(args[-1])
            self.seen.append(numbers(batch))
            return {"loss": keras.ops.mean(batch)}

    if keras.config.backend() == "jax":
        pytest.skip("a step on JAX is traced")
    for repeat, options in ((False, {}), (True, {"steps_per_epoch": 4})):
        model = Recorder()
        model.compile(run_eagerly=True)
        stream = numbered(23).batches(5, repeat=repeat)
        model.fit(stream, epochs=3, verbose=0, shuffle=False, **options)
        orders = [batches.permutation(23, 0, epoch)[:20] for epoch in range(3)]
        assert sum(model.seen, []) == np.concatenate(orders).tolist()


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="tf.data")
@pytest.mark.parametrize("repeat", [False, True])
def test_tf_data_has_no_autotune_and_knows_its_length(repeat):
    import tensorflow as tf

    for stream in (numbered(20).batches(5, repeat=repeat), data.ring().batches(5)):
        assert isinstance(stream, tf.data.Dataset)
        assert stream.options().autotune.enabled is False
        assert not (stream.options().autotune.ram_budget or stream.options().autotune.cpu_budget)
    stream = numbered(20).batches(5, repeat=repeat)
    assert int(stream.cardinality()) == (tf.data.INFINITE_CARDINALITY if repeat else 4)
    assert stream.element_spec == tf.TensorSpec((5, 2, 2, 1), tf.float32)


@pytest.mark.parametrize("repeat", [False, True])
def test_labels_stay_with_their_images(repeat):
    digits = data.load("digits")
    pairs = take(digits.batches(100, seed=3, repeat=repeat, labels=True), 34 if repeat else 17)
    images = take(digits.batches(100, seed=3, repeat=repeat), len(pairs))
    rows = np.concatenate([batches.permutation(1797, 3, epoch)[:1700] for epoch in range(2)])
    for i, ((x, y), alone) in enumerate(zip(pairs, images, strict=True)):
        x, y, alone = map(keras.ops.convert_to_numpy, (x, y, alone))
        np.testing.assert_array_equal(x, alone)
        assert y.dtype == np.int32
        np.testing.assert_array_equal(y, digits.labels[rows[100 * i : 100 * (i + 1)]])


def test_labels_that_are_not_there():
    with pytest.raises(ValueError, match="'numbered' .* has no labels"):
        numbered(20).batches(5, labels=True)


def test_densities_stream_fresh_samples():
    ring = data.ring()
    stream = [keras.ops.convert_to_numpy(x) for x in take(ring.batches(1000, seed=2), 150)]
    assert {(x.shape, x.dtype.name) for x in stream} == {((1000, 2), "float32")}
    assert len({x.tobytes() for x in stream}) == 150
    again = take(ring.batches(1000, seed=2), 150)
    assert all(
        (keras.ops.convert_to_numpy(x) == y).all() for x, y in zip(again, stream, strict=True)
    )
    assert np.hypot(*np.concatenate(stream).T).mean() == pytest.approx(1, abs=1e-3)


def digest_of_batches():
    total = hashlib.sha256()
    digits = data.load("digits")
    once = digits.batches(128, seed=5)
    for stream, count in (
        (once, 99),
        (once, 99),
        (digits.batches(100, seed=6, repeat=True), 40),
        (data.ring().batches(64, seed=1), 70),
    ):
        for batch in take(stream, count):
            total.update(keras.ops.convert_to_numpy(batch).tobytes())
    return total.hexdigest()


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_batches_are_the_same_on_every_backend_and_need_no_tensorflow(backend):
    if not find_spec(backend):
        pytest.skip(NEEDS.format(backend))
    code = "import sys, test_data; print(test_data.digest_of_batches(), *sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": backend},
        cwd=os.path.dirname(__file__),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    digest, *modules = result.stdout.split()
    assert ("tensorflow" in modules) == (backend == "tensorflow")
    assert digest == digest_of_batches()


def test_nothing_is_written_to_stderr_while_batches_are_made(capfd):
    for stream in (numbered(20).batches(5), data.ring().batches(5)):
        take(stream, 3)
    assert capfd.readouterr().err == ""


# ------------------------------------------------------------------- data sets kept as files


def fake(monkeypatch, **known):
    """Stand-ins for the arrays of MNIST, and what is known of them."""
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (60, 28, 28), dtype=np.uint8),
        "y_train": np.arange(60, dtype=np.uint8) % 10,
        "x_test": rng.integers(0, 256, (20, 28, 28), dtype=np.uint8),
        "y_test": np.arange(20, dtype=np.uint8) % 10,
    }
    known = known or {"digest": cache.digest(*arrays.values())}
    kept = stored.Stored(tuple("0123456789"), counts=(60, 20), **known)
    monkeypatch.setitem(stored.STORED, "mnist", kept)
    return arrays


def no_network(monkeypatch):
    def fail():
        raise Exception("URL fetch failure on https://example.org: None -- no route to host")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)


def test_without_network_one_sentence_says_where_to_put_the_file(folder, monkeypatch):
    no_network(monkeypatch)
    with pytest.raises(FileNotFoundError) as error:
        data.load("mnist")
    assert str(error.value) == (
        f"mnist is not in {folder} and could not be downloaded (URL fetch failure on "
        "https://example.org: None -- no route to host): put mnist.npz there, or set GANLIB_DATA "
        "to the folder that holds mnist.npz (arrays x_train, y_train, x_test, y_test)."
    )
    assert error.value.__suppress_context__


def test_a_network_gone_in_the_middle_of_a_download_leaves_nothing_behind(
    folder, monkeypatch, tmp_path
):
    """A real download by Keras, from a server here that ends it after 100 bytes of 1,000."""

    class Stops(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 100)

        def log_message(self, *arguments):
            pass

    module = sys.modules[keras.datasets.mnist.load_data.__module__]
    with http.server.HTTPServer(("127.0.0.1", 0), Stops) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def get_file(path, origin, **rest):
            here = f"http://127.0.0.1:{server.server_port}/{path}"
            return keras.utils.get_file(path, here, cache_dir=tmp_path / "keras", **rest)

        monkeypatch.setattr(module, "get_file", get_file)
        with pytest.raises(FileNotFoundError, match="mnist is not in .*could not be downloaded"):
            data.load("mnist")
        server.shutdown()
    assert not folder.exists()
    assert [path for path in (tmp_path / "keras").rglob("*") if path.is_file()] == []


def test_what_keras_fetched_is_kept_and_read_the_next_time(folder, monkeypatch):
    arrays = fake(monkeypatch)
    pairs = (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: pairs)
    fetched = data.load("mnist")
    no_network(monkeypatch)
    kept = data.load("mnist")
    assert [path.name for path in folder.iterdir()] == ["mnist.npz"]
    assert (fetched.images == kept.images).all()
    assert kept.images.shape == (60, 28, 28, 1)
    assert (kept.labels == arrays["y_train"]).all()
    test = data.load("mnist", split="test")
    assert (test.images[..., 0] == arrays["x_test"]).all()
    assert test.labels.dtype == np.int64


def test_an_altered_file_is_refused_with_both_digests_and_left_alone(folder, monkeypatch):
    arrays = fake(monkeypatch)
    no_network(monkeypatch)
    expected = cache.digest(*arrays.values())
    arrays["x_test"][3, 4, 5] ^= 1
    folder.mkdir()
    file = folder / "mnist.npz"
    np.savez(file, **arrays)
    before = file.read_bytes()
    with pytest.raises(ValueError, match="move it away to have it fetched again") as error:
        data.load("mnist")
    for part in (str(file), f"expected digest {expected}", cache.digest(*arrays.values())):
        assert part in str(error.value)
    assert file.read_bytes() == before


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "npy", "an array less"])
def test_a_damaged_file_is_refused_and_left_alone(folder, monkeypatch, damage):
    arrays = fake(monkeypatch)
    no_network(monkeypatch)
    folder.mkdir()
    file = folder / "mnist.npz"
    if damage == "an array less":
        del arrays["y_test"]
    np.savez_compressed(file, **arrays)
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:-500])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "text":
        file.write_text("<html>not found</html>")
    elif damage == "npy":
        with open(file, "wb") as stream:
            np.save(stream, arrays["x_train"])
    before = file.read_bytes()
    with pytest.raises(
        ValueError, match="is damaged.*expected .*found none.*put the right"
    ) as error:
        data.load("mnist")
    assert str(file) in str(error.value)
    assert file.read_bytes() == before


def test_without_a_digest_shapes_classes_and_pixels_are_verified(folder, monkeypatch):
    arrays = fake(monkeypatch, pixel_sum=0)
    total = int(arrays["x_train"].sum(dtype=np.int64))

    def problem(**changed):
        return stored._difference("mnist", {**arrays, **changed})

    assert f"sum to 0, found {total}" in problem()
    fake(monkeypatch, pixel_sum=total)
    assert problem() is None
    assert "expected 2 of each label in y_test" in problem(y_test=arrays["y_test"] * 0)
    assert "expected x_test to be uint8 (20, 28, 28, 1)" in problem(x_test=arrays["x_train"])
    assert "found float32" in problem(x_train=arrays["x_train"].astype(np.float32))


@pytest.mark.skipif(
    not os.path.exists(os.path.join(GIVEN_FOLDER, "mnist.npz")),
    reason="needs the folder GANLIB_DATA with mnist.npz in it",
)
def test_mnist_is_mnist(monkeypatch):
    monkeypatch.setenv("GANLIB_DATA", GIVEN_FOLDER)
    train, test = data.load("mnist"), data.load("mnist", split="test")
    assert (len(train), len(test)) == (60_000, 10_000)
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert train.images.mean() == pytest.approx(33.3184, abs=1e-4)


# ------------------------------------------------------------------- a folder of images


@pytest.fixture
def pictures(tmp_path):
    """Two classes of pictures: 3 dark wide ones and 5 light tall ones."""
    for name, count, size, value in (("dark", 3, (40, 20), 30), ("light", 5, (20, 40), 220)):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(count):
            image = Image.new("RGB", size, (value, value + i, 10))
            image.save(tmp_path / "pictures" / name / f"{i}.{('png', 'jpg')[i % 2]}")
    return tmp_path / "pictures"


def test_a_folder_is_read_as_it_is_asked_for(pictures):
    loaded = data.load(pictures, size=16)
    assert loaded.image_shape == (16, 16, 3)
    assert loaded.class_names == ("dark", "light")
    assert np.bincount(loaded.labels).tolist() == [3, 5]
    assert loaded.images[0].shape == (16, 16, 3)
    assert loaded.images[2:5].shape == (3, 16, 16, 3)
    shades = np.array([30, 220])[loaded.labels]
    assert np.abs(loaded.images[np.arange(8)].mean(axis=(1, 2))[:, 0] - shades).max() < 2
    assert data.load(pictures, size=8, channels=1).images[-1].shape == (8, 8, 1)
    assert data.load(pictures).image_shape == (32, 32, 3)  # for pictures of 20 by 40
    rest, held_out = loaded.split(0.25)
    assert (len(rest), len(held_out)) == (6, 2)
    assert isinstance(rest.images, data.ImageFolder)


def test_nothing_but_the_batch_is_read(pictures, monkeypatch):
    opened = []
    real = data.ImageFolder._open
    monkeypatch.setattr(
        data.ImageFolder, "_open", lambda self, path: opened.append(path) or real(self, path)
    )
    loaded = data.load(pictures, size=16)
    assert opened == []
    found = loaded.images[np.array([6, 1])]
    assert opened == [loaded.images.paths[6], loaded.images.paths[1]]
    assert found.shape == (2, 16, 16, 3)


def test_a_folder_makes_the_same_batches_as_an_array(pictures):
    loaded = data.load(pictures, size=16)
    whole = data.Dataset("whole", loaded.images[:], loaded.labels)
    for _ in range(2):
        pairs = zip(loaded.batches(3, seed=4), whole.batches(3, seed=4), strict=True)
        for a, b in pairs:
            assert a.shape == (3, 16, 16, 3)
            assert (keras.ops.convert_to_numpy(a) == keras.ops.convert_to_numpy(b)).all()


def test_a_folder_without_classes_has_no_labels(pictures):
    flat = data.load(f"{pictures}/dark", size=4)
    assert (len(flat), flat.labels, flat.class_names) == (3, None, ())


def test_images_are_cropped_in_the_middle_turned_upright_and_flattened_on_white(tmp_path):
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 255  # what the central square shows
    Image.fromarray(wide).save(tmp_path / "a.png")
    turned = Image.fromarray(np.repeat([[0], [255]], 8, axis=1).repeat(4, axis=0).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    turned.save(tmp_path / "b.png", exif=exif)
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "c.png")
    Image.fromarray(np.full((8, 8), 128 * 256, np.uint16)).save(tmp_path / "d.png")
    images = data.load(tmp_path, size=8, channels=1).images
    a, b, c, d = images[np.argsort(images.paths)]
    assert (a > 240).all()
    assert (b[0] == 255).all()
    assert (b[-1] == 0).all()
    assert (c == 255).all()
    assert (d == 128).all()


def test_bad_folders_get_one_sentence(pictures, tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no folder .*nowhere: give the path"):
        data.load(tmp_path / "nowhere")
    (tmp_path / "empty" / "sub").mkdir(parents=True)
    with pytest.raises(ValueError, match="empty holds no image"):
        data.load(tmp_path / "empty")
    with pytest.raises(ValueError, match="channels is 1 .*, not 2"):
        data.load(pictures, channels=2)
    (pictures / "loose.png").write_bytes((pictures / "dark" / "0.png").read_bytes())
    with pytest.raises(ValueError, match="both images and subfolders"):
        data.load(pictures)


def test_an_unreadable_image_is_named(pictures):
    whole = (pictures / "dark" / "0.png").read_bytes()
    bad = pictures / "dark" / "3.png"
    bad.write_text("not an image")
    with pytest.raises(ValueError, match=r"3.png is not an image that can be read: repair it"):
        data.load(pictures)
    bad.write_bytes(whole[: len(whole) // 2])  # a good start: found when it is read
    loaded = data.load(pictures)
    with pytest.raises(ValueError, match=r"3.png is not an image that can be read") as error:
        loaded.images[:]
    assert "\n" not in str(error.value)
