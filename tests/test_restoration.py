"""PSNR and SSIM as the chapter on restoration writes them, beside those of scikit-image."""

import ast

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sources import NEEDS, code_cells


def on_the_page(*wanted):
    """The functions of these names from the cells of the chapter."""
    names = {"np": np, "gaussian_filter": gaussian_filter}
    for cell in code_cells("restoration")[1:]:
        for node in ast.parse(cell.source).body:
            if isinstance(node, ast.FunctionDef) and node.name in wanted:
                exec(ast.unparse(node), names)
    return [names[name] for name in wanted]


def images(shape):
    """Smooth images, and the same with noise, between 0 and 1."""
    rng = np.random.default_rng(0)
    clean = gaussian_filter(rng.random(shape), (0, 2, 2, 0))
    clean = (clean - clean.min()) / np.ptp(clean)
    return clean, np.clip(clean + 0.1 * rng.standard_normal(shape), 0, 1)


@pytest.mark.parametrize("shape", [(3, 28, 28, 1), (2, 24, 40, 3)])
def test_psnr_and_ssim_are_those_of_scikit_image(shape):
    reference = pytest.importorskip("skimage.metrics", reason=NEEDS.format("scikit-image"))
    psnr, ssim = on_the_page("psnr", "ssim")
    clean, noisy = images(shape)
    for i, (a, b) in enumerate(zip(clean, noisy, strict=True)):
        theirs = reference.structural_similarity(
            a,
            b,
            data_range=1.0,
            channel_axis=-1,
            gaussian_weights=True,  # these three as in the paper
            sigma=1.5,
            use_sample_covariance=False,
        )
        assert abs(ssim(clean, noisy)[i] - theirs) < 1e-9
        theirs = reference.peak_signal_noise_ratio(a, b, data_range=1.0)
        assert abs(psnr(clean, noisy)[i] - theirs) < 1e-9


@pytest.mark.parametrize("shape", [(2, 8, 8, 1), (2, 3, 5, 3)])
def test_small_images_have_an_ssim(shape):
    (ssim,) = on_the_page("ssim")
    clean, noisy = images(shape)
    assert np.allclose(ssim(clean, clean), 1)
    assert np.all(ssim(clean, noisy) < 1)


def test_averages_and_consistency_on_images_that_are_not_square():
    averages, spread, consistent = on_the_page("averages", "spread", "consistent")
    clean, noisy = images((2, 8, 12, 3))
    small = averages(clean, 4)
    assert small.shape == (2, 2, 3, 3)
    assert np.allclose(averages(spread(small, 4), 4), small)
    # The least change of all that fit is the pseudo-inverse's.
    matrix = averages(np.eye(96).reshape(96, 8, 12, 1), 4).reshape(96, -1).T
    off = (small - averages(noisy, 4))[0, ..., 0].ravel()
    change = (consistent(noisy, small, 4) - noisy)[0, ..., 0].ravel()
    assert np.allclose(change, np.linalg.pinv(matrix) @ off)
