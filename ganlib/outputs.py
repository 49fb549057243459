"""What an image chapter leaves behind when it is given a folder."""

import json
from pathlib import Path

import numpy as np


def save(output_dir, generator, images, labels=None, **measured):
    """Write `samples.npz`, `samples.png`, `generator.keras` and `metrics.json` into a folder.

    Args:
        output_dir: the folder, made if it is missing; with "" nothing is written.
        generator: keras.Model.
        images: uint8 (N, H, W, C). labels: int (N,) or None.
        measured: numbers, lists and strings for `metrics.json`.
    """
    if not output_dir:
        return
    from ganlib.plots import save_grid

    folder = Path(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"images": images} if labels is None else {"images": images, "labels": labels}
    np.savez_compressed(folder / "samples.npz", **arrays)
    save_grid(folder / "samples.png", images[:100], columns=20, zoom=2)
    text = json.dumps(measured, indent=2, sort_keys=True, default=float)
    (folder / "metrics.json").write_text(text + "\n")
    generator.save(folder / "generator.keras")
