"""Films as WebM: what is in the file, and that a browser plays it."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganlib import webm, works

ROOT = Path(__file__).parents[1]
ABOUT = {"title": "Rings & Co <1>", "seed": "7", "source": "a test, with ümlauts"}
EBML, SEGMENT, CLUSTER, START, BLOCK = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0xE7, 0xA3


def squares(count, high=40, wide=64):
    """Frames on which a bright square goes to the right."""
    frames = np.full((count, high, wide, 3), 20, np.uint8)
    for k, frame in enumerate(frames):
        frame[8:24, 4 * k : 4 * k + 16] = 230, 180, 40
    return frames


def parts(data, *names):
    """What is in an element within elements."""
    for name in names:
        data = dict(webm._elements(data))[name]
    return data


def picture(packed):
    """A key frame, float (H, W, 3), read in the envelope of WebP."""
    chunk = b"VP8 " + len(packed).to_bytes(4, "little") + packed + b"\0" * (len(packed) % 2)
    riff = b"RIFF" + (4 + len(chunk)).to_bytes(4, "little") + b"WEBP" + chunk
    with Image.open(io.BytesIO(riff)) as still:
        return np.asarray(still.convert("RGB"), float)


@pytest.mark.parametrize("shape", [(40, 64), (33, 51)])
def test_a_film_has_its_frames_and_its_times(tmp_path, shape):
    file, frames = tmp_path / "film.webm", squares(7, *shape)
    works.save_film(file, frames, ABOUT, seconds=2.0)
    data = file.read_bytes()
    assert [name for name, _ in webm._elements(data)] == [EBML, SEGMENT]
    found = [part for name, part in webm._elements(parts(data, SEGMENT)) if name == CLUSTER]
    starts = [int.from_bytes(parts(cluster, START), "big") for cluster in found]
    assert starts == [0, 286, 571, 857, 1143, 1429, 1714]
    for cluster, frame in zip(found, frames, strict=True):
        again = picture(parts(cluster, BLOCK)[4:])
        assert again.shape == frame.shape and np.abs(again - frame).mean() < 8
    assert works.read_about(file) == ABOUT


def test_greys_are_taken_as_well_and_one_after_the_other(tmp_path):
    greys = (frame[..., 0] for frame in squares(3))
    works.save_film(tmp_path / "grey.webm", greys, ABOUT, seconds=1)
    assert works.read_about(tmp_path / "grey.webm") == ABOUT


def test_what_is_no_film_is_refused(tmp_path):
    with pytest.raises(ValueError, match="A picture is uint8"):
        works.save_film(tmp_path / "x.webm", np.zeros((2, 8, 8)), ABOUT, seconds=1)
    with pytest.raises(ValueError, match="at least one frame"):
        works.save_film(tmp_path / "x.webm", [], ABOUT, seconds=1)
    with pytest.raises(ValueError, match="of one size, all grey or all in colour"):
        works.save_film(tmp_path / "x.gif", [squares(1)[0], squares(1)[0, ..., 0]], ABOUT, 1)
    with pytest.raises(ValueError, match=r"x\.mp4 is no GIF or WebM"):
        works.save_film(tmp_path / "x.mp4", squares(2), ABOUT, seconds=1)
    with pytest.raises(ValueError, match="16383"):
        works.save_film(tmp_path / "x.webm", np.zeros((1, 2, 16384), "u1"), ABOUT, seconds=1)
    for suffix in ("webm", "gif"):
        with pytest.raises(ValueError, match="A picture is uint8"):
            works.save_film(tmp_path / f"x.{suffix}", np.zeros((2, 0, 8), "u1"), ABOUT, seconds=1)
        for seconds in (-1, 0, 0.001, float("nan"), float("inf")):
            with pytest.raises(ValueError, match="2 frames take at least as many milliseconds"):
                works.save_film(tmp_path / f"x.{suffix}", squares(2), ABOUT, seconds)
    with pytest.raises(ValueError, match="655 seconds"):
        works.save_film(tmp_path / "x.gif", squares(2), ABOUT, seconds=3600)
    assert not list(tmp_path.iterdir())


def test_a_film_of_another_program_or_half_a_film_says_nothing(tmp_path):
    file = tmp_path / "film.webm"
    works.save_film(file, squares(3), ABOUT, seconds=1)
    whole = file.read_bytes()
    tags = webm._element(webm._TAGS, [(webm._TAG, [(webm._SIMPLE, [(webm._NAME, b"ENCODER")])])])
    for data in (b"", whole[:60], webm._element(SEGMENT, []), webm._element(EBML, []) + tags):
        file.write_bytes(data)
        assert works.read_about(file) == {}


def test_a_file_that_is_cut_or_spoilt_says_what_it_said_or_nothing(tmp_path):
    works.save_film(tmp_path / "film.webm", squares(1, 2, 21), ABOUT, seconds=1)
    film = (tmp_path / "film.webm").read_bytes()
    start = film.index(webm._TAGS.to_bytes(4, "big"))
    end = film.index(CLUSTER.to_bytes(4, "big"))
    spoilt = [film[:at] for at in range(len(film))]
    spoilt += [film[:at] + bytes([x]) + film[at + 1 :] for at in range(end) for x in (0, 1, 255)]
    spoilt += [film[:start] + bytes(k) + film[start:] for k in range(12)]
    tags = [(webm._NAME, b"COMMENT"), (webm._TEXT, b"[" * 100_000)]
    spoilt.append(webm._element(SEGMENT, [(webm._TAGS, [(webm._TAG, [(webm._SIMPLE, tags)])])]))
    for data in spoilt:
        said = works._noted(webm.note(data))
        assert set(said) <= set(ABOUT) or len(data) == len(film), data
    assert [webm.note(film[:at]) == webm.note(film) for at in (end - 1, end, end + 9)] == [0, 1, 1]


def test_a_recorder_does_not_know_how_long_a_segment_will_be(tmp_path):
    works.save_film(tmp_path / "film.webm", squares(3), ABOUT, seconds=1)
    film = (tmp_path / "film.webm").read_bytes()
    at = film.index(SEGMENT.to_bytes(4, "big")) + 4
    (tmp_path / "FILM.WEBM").write_bytes(film[:at] + b"\x01" + b"\xff" * 7 + film[at + 8 :])
    assert works.read_about(tmp_path / "FILM.WEBM") == ABOUT


def test_the_film_on_the_page_says_what_it_is_and_its_poster_is_its_first_frame():
    folder = ROOT / "book" / "_static" / "art"
    about = works.read_about(folder / "parted.webm")
    assert about["seed"] == "0" and about["source"] == "the generator of the run stylegan-glyphs"
    assert works.read_about(folder / "parted.png") == about
    segment = parts((folder / "parted.webm").read_bytes(), SEGMENT)
    found = [part for name, part in webm._elements(segment) if name == CLUSTER]
    assert len(found) == 36 and parts(found[-1], START) == (5833).to_bytes(2, "big")
    with Image.open(folder / "parted.png") as poster:
        gap = picture(parts(found[0], BLOCK)[4:]).mean(axis=2) - np.asarray(poster.convert("L"))
    assert np.abs(gap).mean() < 4  # of lossy frames


@pytest.mark.slow
def test_a_browser_plays_it(browser, tmp_path):
    works.save_film(tmp_path / "film.webm", squares(8), ABOUT, seconds=4.0)
    film = base64.b64encode((tmp_path / "film.webm").read_bytes()).decode()
    page = browser.new_page()
    seen = page.evaluate(
        """async (film) => {
            const video = document.createElement("video");
            const can = new OffscreenCanvas(64, 40), pen = can.getContext("2d");
            const happens = (name) => new Promise((done, fail) => {
                video["on" + name] = done;
                video.onerror = () => fail(video.error.message);
            });
            const column = () => {
                pen.drawImage(video, 0, 0);
                const row = Array.from(pen.getImageData(0, 16, 64, 1).data);
                return row.findIndex((x, i) => i % 4 == 0 && x > 130) / 4;
            };
            video.muted = true;
            document.body.append(video);
            video.src = "data:video/webm;base64," + film;
            await happens("loadeddata");
            const found = [video.duration, video.videoWidth, video.videoHeight];
            for (const k of [6, 1]) {  // to and fro
                video.currentTime = 0.5 * k + 0.25;
                await happens("seeked");
                // The picture follows when it will, and no event is sure to say so.
                for (let left = 300; left && Math.abs(column() - 4 * k) > 1.5; left--)
                    await new Promise((done) => setTimeout(done, 100));
                found.push(column());
            }
            return found;
        }""",
        film,
    )
    assert seen[:3] == [4, 64, 40]
    assert seen[3:] == pytest.approx([24, 4], abs=1.5)
