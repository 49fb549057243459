"""Where arrays are kept, and how they are known again."""

import sys

import numpy as np
import pytest

from ganlib.data import cache


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Every test has an empty cache folder of its own."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "ganlib"


def test_digest_tells_shape_dtype_and_content_apart():
    a = np.arange(6, dtype=np.uint8)
    others = [a.reshape(2, 3), a.astype(np.int8), a.astype(np.uint16), a[::-1], a[:5]]
    assert len({cache.digest(x) for x in [a, *others]}) == 6
    assert cache.digest(a.reshape(2, 3).T) == cache.digest(a.reshape(2, 3).T.copy())


def test_data_sets_are_kept_where_the_reader_says_or_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GANLIB_DATA", "")
    assert cache.folder() == cache.user() == tmp_path / "ganlib"
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "sets"))
    assert cache.folder() == tmp_path / "sets"
    assert cache.user() == tmp_path / "ganlib"


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"HOME": "/home/me"}, "/home/me/.cache/ganlib"),
        ("linux", {"HOME": "/home/me", "XDG_CACHE_HOME": "rel"}, "/home/me/.cache/ganlib"),
        ("linux", {"HOME": "/home/me", "XDG_CACHE_HOME": "/big"}, "/big/ganlib"),
        ("darwin", {"HOME": "/Users/me"}, "/Users/me/Library/Caches/ganlib"),
        ("win32", {"HOME": "/me", "LOCALAPPDATA": "/me/Local"}, "/me/Local/ganlib"),
        ("win32", {"HOME": "/me"}, "/me/AppData/Local/ganlib"),
    ],
)
def test_each_system_has_a_cache_folder(monkeypatch, platform, variables, expected):
    monkeypatch.setattr(sys, "platform", platform)
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(cache.user()) == expected


def test_without_a_home_nothing_is_kept_and_nothing_fails(monkeypatch):
    for name in ("XDG_CACHE_HOME", "GANLIB_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cache.os.path, "expanduser", lambda path: path)  # what it then does
    assert cache.user() is cache.folder() is None
    cache.keep("numbers", [np.arange(5)])
    assert cache.kept("numbers") is None


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
    for changed in range(len(whole)):  # whatever byte it is
        file.write_bytes(whole[:changed] + bytes([whole[changed] ^ 8]) + whole[changed + 1 :])
        cache.kept("numbers")
    np.savez(file, array_0=np.zeros(5), digest=np.array("another"))
    assert cache.kept("numbers") is None


def test_what_is_forgotten_leaves_nothing(folder):
    cache.forget("numbers")
    for name in ("numbers", "numbers-unfinished", "others"):
        cache.keep(name, [np.arange(5)])
    (folder / "part-1-numbers-unfinished.npz").touch()  # of a process that was killed
    cache.forget("numbers-unfinished")
    assert sorted(file.name for file in folder.iterdir()) == ["numbers.npz", "others.npz"]
    for name in ("numbers-unfinished", "more-numbers"):
        cache.keep(name, [np.arange(5)])
    cache.forget("numbers")
    assert cache.kept("numbers") is None and len(list(folder.iterdir())) == 3


def test_a_folder_that_takes_no_files_is_no_error(folder):
    folder.touch()  # a file where the folder should be
    cache.keep("numbers", [np.arange(5)])
    assert cache.kept("numbers") is None
