"""Where arrays are kept, and how they are known again."""

import sys

import numpy as np
import pytest

from ganlib import cache


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Every test has an empty folder of its own."""
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_digest_tells_shape_dtype_and_content_apart():
    a = np.arange(6, dtype=np.uint8)
    others = [a.reshape(2, 3), a.astype(np.int8), a.astype(np.uint16), a[::-1], a[:5]]
    assert len({cache.digest(x) for x in [a, *others]}) == 6
    assert cache.digest(a.reshape(2, 3).T) == cache.digest(a.reshape(2, 3).T.copy())


def test_the_default_folder_is_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("GANLIB_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache.folder() == tmp_path / "ganlib"


def test_what_is_kept_comes_back_and_what_is_damaged_does_not(folder):
    arrays = [np.arange(5), np.ones((2, 3), "float32")]
    assert cache.kept("numbers") is None
    cache.keep("numbers", arrays)
    for got, wanted in zip(cache.kept("numbers"), arrays, strict=True):
        np.testing.assert_array_equal(got, wanted)
        assert got.dtype == wanted.dtype
    (file,) = folder.iterdir()  # one file, no leftover part
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    assert cache.kept("numbers") is None
    file.write_bytes(b"no archive")
    assert cache.kept("numbers") is None
    np.savez(file, array_0=np.zeros(5), digest=np.array("another"))
    assert cache.kept("numbers") is None


def test_a_folder_that_takes_no_files_is_no_error(folder):
    folder.touch()  # a file where the folder should be
    cache.keep("numbers", [np.arange(5)])
    assert cache.kept("numbers") is None
