import itertools
import warnings

import matplotlib
import numpy as np
import pytest
from PIL import Image

matplotlib.use("agg")

import matplotlib.pyplot as plt  # noqa: E402

from ganlib import plots  # noqa: E402


@pytest.fixture(autouse=True)
def style():
    with matplotlib.rc_context():
        plots.use_style()
        yield
        plt.close("all")


def images(n, height=4, width=6, channels=1):
    rng = np.random.default_rng(0)
    return rng.integers(1, 256, (n, height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_tile_puts_each_image_at_its_place(channels):
    batch = images(5, channels=channels)
    canvas = plots.tile(batch, columns=3)
    assert canvas.shape == ((2 * 4 + 1, 3 * 6 + 2) if channels == 1 else (9, 20, 3))
    canvas = canvas.reshape(9, 20, channels)
    for i, image in enumerate(batch):
        top, left = i // 3 * 5, i % 3 * 7
        assert (canvas[top : top + 4, left : left + 6] == image).all()
    assert not canvas[4].any()  # the gap
    assert not canvas[5:, 14:].any()  # the empty place


def test_tile_is_about_square_by_default_and_takes_images_without_channels():
    assert plots.tile(images(16)[..., 0]).shape == (4 * 4 + 3, 4 * 6 + 3)


@pytest.mark.parametrize("bad", [images(3) / 255.0, images(3)[0, 0], images(0)])
def test_tile_says_what_it_needs(bad):
    with pytest.raises(ValueError, match="needs uint8 images of shape"):
        plots.tile(bad)


def test_saved_grid_holds_the_exact_pixels_enlarged(tmp_path):
    batch = images(4, channels=3)
    plots.save_grid(tmp_path / "new" / "grid.png", batch, columns=2, zoom=3)
    saved = np.asarray(Image.open(tmp_path / "new" / "grid.png"))
    assert (saved[::3, ::3] == plots.tile(batch, 2)).all()
    assert (saved[1::3, 2::3] == saved[::3, ::3]).all()


def test_grids_show_their_pixels_and_labels():
    ax = plots.image_grid(images(6), columns=3)
    assert (ax.images[0].get_array() == plots.tile(images(6), 3)).all()
    ax = plots.image_rows([images(5), images(5)], ["epoch 1", "epoch 2"])
    assert ax.images[0].get_array().shape == (9, 5 * 6 + 4)
    assert [text.get_text() for text in ax.texts] == ["epoch 1", "epoch 2"]


def test_fewer_images_than_columns_leave_no_empty_places():
    assert plots.tile(images(3), columns=20).shape == (4, 3 * 6 + 2)
    ax = plots.image_grid(images(1), columns=3)
    assert ax.images[0].get_array().shape == (4, 6)


@pytest.mark.parametrize("height,width", [(8, 64), (64, 8), (32, 64), (30, 45), (256, 192)])
def test_figures_of_images_that_are_not_square(height, width):
    """About square as a whole, never larger than a page, and labels beside the middle of a row."""
    canvas = plots.tile(images(24, height, width, 3))
    assert 0.4 < canvas.shape[0] / canvas.shape[1] < 2.5
    batch = images(10, height, width)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # "axes sizes collapsed to zero"
        for ax in (
            plots.image_grid(images(60, height, width, 3)),
            plots.image_grid(images(60, height, width), columns=20),
            plots.image_rows([batch] * 6, [f"step {i}" for i in range(6)]),
            plots.image_rows([batch[:1]] * 30, ["a real photograph"] * 30),
        ):
            ax.figure.canvas.draw()
            inches = ax.figure.get_size_inches()
            assert inches[0] <= plots.WIDTH and 0.3 <= inches[1] <= plots.HEIGHT + 1e-6
    ax = plots.image_rows([batch] * 6, [f"step {i}" for i in range(6)])
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert all(low.y1 <= high.y0 + 1 for high, low in itertools.pairwise(boxes))
    for i, text in enumerate(ax.texts):
        x, y = text.get_position()
        assert x < 0 and y == i * (height + 1) + (height - 1) / 2


def test_figures_of_square_images_stay_as_they_were():
    for n, columns, expected in ((60, 20, (7.2, 7.2 * 86 / 579)), (6, 3, (2.25, 2.25 * 57 / 86))):
        ax = plots.image_grid(images(n, 28, 28), columns=columns)
        np.testing.assert_allclose(ax.figure.get_size_inches(), expected)
    ax = plots.image_rows([images(8, 28, 28)] * 4, ["a longer label"] * 4)
    np.testing.assert_allclose(ax.figure.get_size_inches(), (6, 6 * 115 / 231))
    assert (ax.texts[0].get_position(), ax.texts[0].get_size()) == ((-4, 13.5), 10)


def test_rows_may_differ_in_number_size_and_colour():
    colour, grey = images(3, 4, 6, 3), images(2, 2, 5)
    canvas = plots.image_rows([colour, grey], ["colour", "grey"]).images[0].get_array()
    assert canvas.shape == (9, 20, 3)
    assert (canvas[:4] == plots.tile(colour, 3)).all()
    assert (canvas[5:7, 7:12] == grey[1]).all()
    assert not canvas[7:].any() and not canvas[5:, 12:].any()
    for empty in ([], [images(0)]):
        with pytest.raises(ValueError, match=r"uint8 .*of shape \(N, H, W, C\)"):
            plots.image_rows(empty, ["a"])


def test_curves_take_a_history_and_name_what_they_draw():
    class History:
        history = {"generator_loss": [3.0, 2.0], "discriminator_loss": [1.0, 1.5]}

    ax = plots.curves(History(), ylabel="loss")
    assert [line.get_label() for line in ax.lines] == ["generator loss", "discriminator loss"]
    assert ax.lines[0].get_xydata().tolist() == [[1, 3], [2, 2]]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "loss")
    given = plt.subplots()[1]
    ax = plots.curves({"a": [1, 2]}, {"a": "of a"}, ax=given, x=[10, 20], xlabel="round")
    assert ax is given
    assert ax.lines[0].get_xdata().tolist() == [10, 20]
    assert ax.get_legend() is None


def test_real_and_generated_points_keep_their_colours():
    ax = plots.scatter2d(np.zeros((3, 2)), np.ones((4, 2)), limit=2)
    colours = [matplotlib.colors.to_hex(points.get_facecolor()[0]) for points in ax.collections]
    assert colours == [plots.REAL, plots.FAKE]
    assert ax.get_xlim() == (-2, 2)
    assert len(plots.scatter2d(fake=np.ones((4, 2))).collections) == 1


def test_bars_run_down_the_page():
    ax = plots.bars(["a", "b"], [1, 2], xlabel="score")
    assert [bar.get_width() for bar in ax.patches] == [1, 2]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b"]
    assert ax.yaxis_inverted()


def test_a_short_logarithmic_axis_has_plain_numbers():
    _, ax = plt.subplots()
    ax.plot([1, 2], [30, 600])
    ax.set_yscale("log")
    plots.log_ticks(ax.yaxis)
    low, high = ax.get_ylim()
    ticks = [tick for tick in ax.get_yticks() if low < tick < high]
    assert ax.yaxis.get_major_formatter().format_ticks(ticks) == ["50", "100", "200", "500"]
    assert not len(ax.yaxis.get_minorticklocs())


def test_everything_can_be_read_on_white_and_on_the_dark_page():
    def luminance(colour):
        rgb = np.array(matplotlib.colors.to_rgb(colour))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    def contrast(a, b):
        high, low = sorted((luminance(a), luminance(b)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for page in ("#ffffff", "#14181e"):
        assert contrast(plots.GREY, page) > 4
        assert min(contrast(colour, page) for colour in plots.COLOURS) > 2.6
    assert plt.rcParams["figure.facecolor"] == plt.rcParams["savefig.facecolor"] == "none"
