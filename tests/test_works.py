"""Outlines, and files that say where they come from."""

import json
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from PIL import ImageSequence as Sequence
from sources import ROOT

from ganlib import pretrained, works

ABOUT = {"title": "Rings & Co <1>", "seed": "7", "source": "a test, with ümlauts"}


def disc(side=28, radius=9.0):
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return np.clip(255 * (radius - np.hypot(x, y) + 0.5), 0, 255).astype(np.uint8)


def ring():
    return (disc() - np.minimum(disc(), disc(radius=4.0))).astype(np.uint8)


def area(outline):
    """In square pixels, holes subtracted."""
    pairs = [(ring.T, np.roll(ring, -1, axis=0).T) for ring in outline]
    return abs(sum((x * b - a * y).sum() / 2 for (x, y), (a, b) in pairs))


def test_the_outline_of_a_disc_is_a_circle():
    (circle,) = works.outline(disc())
    apart = np.hypot(*(circle - 14).T)
    np.testing.assert_allclose(apart, 9, atol=0.15)
    assert area([circle]) == pytest.approx(np.pi * 81, rel=0.03)


def test_a_hole_runs_the_other_way_and_counts_less():
    rings = works.outline(ring())
    assert len(rings) == 2
    assert area(rings) == pytest.approx(np.pi * (81 - 16), rel=0.05)


def test_ink_at_the_edge_is_closed():
    image = np.zeros((12, 20), np.uint8)
    image[:, 10:] = 200
    (square,) = works.outline(image)
    assert area([square]) == pytest.approx(120, rel=0.06)
    assert square.min() >= -0.1 and square[:, 0].max() <= 20.1


def test_points_are_even_and_as_many_as_asked():
    for spacing in (0.5, 2.0):
        (circle,) = works.outline(disc(), spacing=spacing)
        steps = np.linalg.norm(circle - np.roll(circle, 1, axis=0), axis=1)
        np.testing.assert_allclose(steps, spacing, rtol=0.15)


def test_an_even_image_has_no_outline():
    assert works.outline(np.full((8, 8, 3), 40, np.uint8)) == []
    assert len(works.curve([]).vertices) == 0


def test_other_images_are_refused():
    with pytest.raises(ValueError, match="one uint8 image, not float64"):
        works.outline(np.zeros((8, 8)))
    with pytest.raises(ValueError, match="enlarge takes uint8 images"):
        works.enlarge(np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match="zoom of at least 1"):
        works.enlarge(np.zeros((1, 8, 8, 1), np.uint8), 0)
    with pytest.raises(ValueError, match="more than 0 pixels"):
        works.outline(disc(), spacing=0)


def test_enlarged_images_are_smooth_and_as_bright():
    large = works.enlarge(np.stack([disc()[..., None].repeat(3, 2)] * 2), 3)
    assert large.shape == (2, 84, 84, 3) and large.dtype == np.uint8
    assert large.mean() == pytest.approx(disc().mean(), rel=0.02)


def test_a_curve_is_scaled_and_moved():
    shape = works.curve(works.outline(disc()), scale=2, at=(5, -3))
    low, high = shape.vertices.min(axis=0), shape.vertices.max(axis=0)
    np.testing.assert_allclose((low + high) / 2, (5 + 28, -3 + 28), atol=0.2)
    np.testing.assert_allclose(high - low, 36, atol=0.6)
    assert shape.contains_point((33, 25)) and not shape.contains_point((5, -3))


def test_an_svg_is_what_was_traced(tmp_path):
    file = tmp_path / "ring.svg"
    shape = works.curve(works.outline(ring()))
    works.save_svg(file, (28, 28), [(shape, "#ff0000")], ABOUT, "#f4efe4")
    text = file.read_text(encoding="utf-8")
    assert 'width="28"' in text and 'fill="#ff0000"' in text and text.count("Z") == 2
    assert "&lt;1&gt;" in text and "<1>" not in text
    assert works.read_about(file) == ABOUT


def rendered(file, text, side=84):
    sheet = Image.new("L", (3 * side, 2 * side))
    font = ImageFont.truetype(str(file), side)
    ImageDraw.Draw(sheet).text((side // 2, side // 4), text, 255, font)
    return np.asarray(sheet) > 127, font


def test_a_font_draws_what_was_traced(tmp_path):
    file = tmp_path / "rings.ttf"
    works.save_font(file, {"o": works.outline(ring()), "é": works.outline(disc())}, ABOUT)
    ink, font = rendered(file, "o")
    assert ink.sum() == pytest.approx(9 * np.pi * (81 - 16), rel=0.05)
    rows, columns = np.nonzero(ink)
    middle = ink[int(rows.mean()), int(columns.mean())]
    assert not middle  # the hole is one
    assert font.getname() == ("Rings & Co <1>", "Regular")
    assert font.getlength("o") == pytest.approx(3 * (18 + 3), abs=1)
    assert rendered(file, "é")[0].sum() > ink.sum()
    assert works.read_about(file) == ABOUT


def test_the_same_font_is_the_same_file(tmp_path):
    files = [tmp_path / f"{k}.ttf" for k in range(2)]
    for file in files:
        works.save_font(file, {"0": works.outline(ring())}, ABOUT)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_font_needs_single_characters(tmp_path):
    for glyphs in ({}, {"ten": []}):
        with pytest.raises(ValueError, match="single characters"):
            works.save_font(tmp_path / "x.ttf", glyphs, ABOUT)
    works.save_font(tmp_path / "x.ttf", {"0": []}, ABOUT)  # an even image draws nothing
    assert not rendered(tmp_path / "x.ttf", "0")[0].any()


def test_a_font_of_small_images_stands_on_its_line(tmp_path):
    works.save_font(tmp_path / "x.ttf", {"o": works.outline(disc(12, 4.0))}, ABOUT, height=12)
    assert rendered(tmp_path / "x.ttf", "o")[0].any()
    with pytest.raises(ValueError, match="within the height, 12 pixels, not at 23.5"):
        works.save_font(tmp_path / "x.ttf", {"o": []}, ABOUT, height=12, baseline=23.5)


def test_a_png_has_its_size_and_its_texts(tmp_path):
    file = tmp_path / "disc.png"
    for image in (disc(), disc()[..., None], disc()[..., None].repeat(3, 2)):
        works.save_png(file, image, ABOUT, dpi=300)
        with Image.open(file) as picture:
            assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)
            np.testing.assert_array_equal(np.asarray(picture), image.squeeze())
        assert works.read_about(file) == ABOUT


def played(file):
    """The stills (T, H, W, 3) of a film, for how many milliseconds each, and how often it runs."""
    with Image.open(file) as film:
        loop = film.info["loop"]
        seen = [(still.convert("RGB"), still.info["duration"]) for still in Sequence.Iterator(film)]
    stills, times = zip(*seen, strict=True)
    return np.stack(stills), list(times), loop


def test_a_film_has_its_frames_and_its_time(tmp_path):
    file = tmp_path / "film.gif"
    frames = np.stack([disc(radius=3.0 + k) for k in (0, 1, 2, 2, 2, 3, 9)])
    for film in (frames, np.stack([frames, frames, 0 * frames], axis=-1)):
        works.save_film(file, film, ABOUT, seconds=0.7, greys=16)
        stills, times, loop = played(file)
        assert times == [100, 100, 300, 100, 100] and loop == 0  # equal ones are one
        again = np.repeat(stills, np.array(times) // 100, axis=0)
        assert len(np.unique(again.reshape(-1, 3), axis=0)) <= 16  # in all of them together
        colours = film if film.ndim == 4 else film[..., None]
        assert np.abs(again - colours.astype(float)).max() < 16
    works.save_film(file, frames, ABOUT, seconds=1.0)
    assert sum(played(file)[1]) == 1000
    assert works.read_about(file) == ABOUT


def test_what_is_no_picture_is_refused(tmp_path):
    for image in (np.zeros((8, 8)), np.zeros((8, 8, 4), np.uint8), np.zeros(8, np.uint8)):
        with pytest.raises(ValueError, match="A picture is uint8"):
            works.save_png(tmp_path / "x.png", image, ABOUT)
        with pytest.raises(ValueError, match="A picture is uint8"):
            works.save_film(tmp_path / "x.gif", image[None], ABOUT, seconds=1)
    with pytest.raises(ValueError, match="at least one frame"):
        works.save_film(tmp_path / "x.gif", [], ABOUT, seconds=1)
    assert not list(tmp_path.iterdir())


def test_notes_of_other_programs_are_left_aside(tmp_path):
    Image.fromarray(disc()).save(tmp_path / "x.gif", comment=b"Made by hand")
    (tmp_path / "x.svg").write_text("<svg><metadata><rdf/></metadata></svg>")
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for file in (tmp_path / "x.gif", tmp_path / "x.svg", fonts / "STIXGeneral.ttf"):
        assert works.read_about(file) == {}


def test_other_files_say_nothing(tmp_path):
    with pytest.raises(ValueError, match="no PNG, GIF, WebM, SVG or TTF"):
        works.read_about(tmp_path / "work.pdf")
    Image.fromarray(disc()).save(tmp_path / "plain.png")
    assert works.read_about(tmp_path / "plain.png") == {}
    (tmp_path / "plain.svg").write_text("<svg/>")
    assert works.read_about(tmp_path / "plain.svg") == {}
    assert json.dumps(works.read_about(tmp_path / "plain.png")) == "{}"


def test_the_film_on_the_page_says_what_it_is_and_its_poster_is_its_first_frame():
    folder = ROOT / "book" / "_static" / "art"
    about = works.read_about(folder / "film.gif")
    assert about["seed"] == "0" and about["source"] == "the generator of the run evaluation-glyphs"
    assert works.read_about(folder / "film.png") == about
    _, times, loop = played(folder / "film.gif")
    assert sum(times) == 6000 and loop == 0
    with Image.open(folder / "film.gif") as film, Image.open(folder / "film.png") as poster:
        assert film.size == poster.size == (336, 168)
        gap = np.asarray(film.convert("L"), float) - np.asarray(poster.convert("L"))
    assert np.abs(gap).mean() < 4  # of few greys
    page = (ROOT / "book" / "art.ipynb").read_text(encoding="utf-8")
    assert 'width=\\"336\\" height=\\"168\\"' in page
    sheet = (ROOT / "book" / "_static" / "book.css").read_text(encoding="utf-8")
    assert "prefers-reduced-motion: reduce" in sheet and ".art-film .poster" in sheet


@pytest.mark.parametrize(
    ("film", "run"),
    [
        ("film.gif", "evaluation-glyphs"),
        ("growth.gif", "art-glyphs"),
        ("parted.webm", "stylegan-glyphs"),
    ],
)
def test_beside_each_film_stands_what_its_file_says(film, run):
    about = works.read_about(ROOT / "book" / "_static" / "art" / film)
    record = json.loads((ROOT / "book" / "results" / run / "run.json").read_text(encoding="utf-8"))
    assert about["revision"] == record["git"]["revision"][:7]
    said = [about["title"], f"seed {about['seed']}", "open edition", about["source"]]
    said += [f"revision {about['revision']}", about["licence"]]
    page = (ROOT / "book" / "art.ipynb").read_text(encoding="utf-8")
    assert page.count(f'<p class=\\"art-print\\">{" · ".join(said)}</p>') == 1


RUN = ROOT / "book" / "results" / "art-glyphs"


def test_the_finished_works_of_the_run_say_what_they_are():
    about = works.read_about(RUN / "numerals.svg")
    assert works.read_about(RUN / "numerals.ttf") == about
    assert (about["title"], about["seed"]) == ("Numerals 0", "0")
    assert about["source"] == "a creative adversarial network on glyphs, 4000 updates"
    poster = (RUN / "orbit.pdf").read_bytes()
    assert b"the generator of the run evaluation-glyphs" in poster and b"seed: 0" in poster
    assert b"/Subtype /Image" not in poster


def test_the_sheet_and_the_font_of_letters_say_what_they_are():
    folder = ROOT / "book" / "results" / "art-letters"
    about = works.read_about(folder / "letters.svg")
    assert works.read_about(folder / "letters.ttf") == about
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert about["revision"] == record["git"]["revision"][:7]
    assert about["source"] == "the generator of the run art-letters"
    assert (folder / "letters.svg").read_text(encoding="utf-8").count("<path ") == 104 + 1
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        ink, _ = rendered(folder / "letters.ttf", letter)
        assert ink.sum() > 0


@pytest.mark.slow
def test_the_font_of_the_run_is_what_its_generator_draws():
    trained = pretrained.load("art-glyphs")
    images = trained.sample(
        latents=trained.latents(1, seed=0).repeat(10, axis=0),
        labels=np.arange(10) * trained.classes // 10,
    )
    for character, image in zip("0123456789", images, strict=True):
        ink, _ = rendered(RUN / "numerals.ttf", character)
        assert ink.sum() == pytest.approx(9 * area(works.outline(image)), rel=0.05)
