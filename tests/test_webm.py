"""Films as WebM: what is in the file, and that a browser plays it."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from ganlib import webm, works

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
        packed = parts(cluster, BLOCK)[4:]
        chunk = b"VP8 " + len(packed).to_bytes(4, "little") + packed + b"\0" * (len(packed) % 2)
        riff = b"RIFF" + (4 + len(chunk)).to_bytes(4, "little") + b"WEBP" + chunk
        with Image.open(io.BytesIO(riff)) as picture:
            again = np.asarray(picture.convert("RGB"))
        assert again.shape == frame.shape and np.abs(again - frame.astype(float)).mean() < 8
    assert works.read_about(file) == ABOUT


def test_greys_are_taken_as_well(tmp_path):
    works.save_film(tmp_path / "grey.webm", squares(3)[..., 0], ABOUT, seconds=1)
    assert works.read_about(tmp_path / "grey.webm") == ABOUT


def test_what_is_no_film_is_refused(tmp_path):
    with pytest.raises(ValueError, match="A picture is uint8"):
        works.save_film(tmp_path / "x.webm", np.zeros((2, 8, 8)), ABOUT, seconds=1)
    with pytest.raises(ValueError, match="at least one frame"):
        works.save_film(tmp_path / "x.webm", [], ABOUT, seconds=1)
    with pytest.raises(ValueError, match=r"x\.mp4 is no GIF or WebM"):
        works.save_film(tmp_path / "x.mp4", squares(2), ABOUT, seconds=1)
    assert not list(tmp_path.iterdir())


def test_a_film_of_another_program_or_half_a_film_says_nothing(tmp_path):
    file = tmp_path / "film.webm"
    works.save_film(file, squares(3), ABOUT, seconds=1)
    whole = file.read_bytes()
    tags = webm._element(webm._TAGS, [(webm._TAG, [(webm._SIMPLE, [(webm._NAME, b"ENCODER")])])])
    for data in (b"", whole[:60], webm._element(SEGMENT, []), webm._element(EBML, []) + tags):
        file.write_bytes(data)
        assert works.read_about(file) == {}


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
            video.muted = true;
            video.src = "data:video/webm;base64," + film;
            await happens("loadeddata");
            const found = [video.duration, video.videoWidth, video.videoHeight];
            for (const k of [6, 1]) {  // to and fro
                video.currentTime = 0.5 * k + 0.25;
                await happens("seeked");
                pen.drawImage(video, 0, 0);
                const row = Array.from(pen.getImageData(0, 16, 64, 1).data);
                found.push(row.findIndex((x, i) => i % 4 == 0 && x > 130) / 4);
            }
            return found;
        }""",
        film,
    )
    assert seen[:3] == [4, 64, 40]
    assert seen[3:] == pytest.approx([24, 4], abs=1.5)
