"""The cases of the matrix: a chapter, a kind of data, a budget."""

import itertools
import os
from pathlib import Path

from pictures import FOLDERS

BOOK = Path(__file__).resolve().parents[2] / "book"

# The parameters that make each chapter as short as it can be.
SMALL = {
    "dcgan": {"ablation_steps": 2},
    "wgan_lsgan": {},
    "evaluation": {},
    "conditional": {"table_steps": 2, "width": 8},
    "biggan": {"precision": "mixed_bfloat16"},
    "training_tricks": {"points_steps": 20, "width": 8},
    "training_doctor": {"few": 40, "all_images": 100, "search_steps": 2, "width": 8},
    "translation": {"toy_steps": 20, "width": 4},
    "unpaired": {"toy_steps": 20, "width": 4},
    "restoration": {"breadth": 4},
    "latents": {"toy_steps": 4, "find_steps": 2, "width": 4},
    "stylegan": {"width": 2},
    "own_images": {"width": 4},
    "transfer": {"move_steps": 2, "label_steps": 2},
    "art": {"toy_steps": 4, "picture_steps": 1, "width": 4},
}
N_SAMPLES = 100

STEPS = {"few-steps": {"steps": 4}, "max-seconds": {"max_seconds": 0.01}}

NOT_SQUARE = ("30x45", "32x64")
SIZES = {"32x64": "32x64"}  # asked for; the others are taken as they are
DATA = (*FOLDERS, "digits", "letters")
if os.environ.get("GANLIB_DATA") and (Path(os.environ["GANLIB_DATA"]) / "mnist.npz").exists():
    DATA += ("mnist",)

# These need labels, and say so before they train anything.
NEED_LABELS = ("conditional", "biggan", "evaluation", "transfer")

# Their samples are made of images that were set apart, of which there may be fewer.
OF_HELD_OUT = ("translation", "unpaired", "restoration")

ALL = tuple(itertools.product(SMALL, DATA, STEPS))

# Every chapter, both budgets, every kind of data, and each refusal. Of dcgan both are elsewhere in
# test_away.py, in a locale that is not UTF-8 and by papermill.
QUICK = (
    ("wgan_lsgan", "no-classes", "max-seconds"),
    ("evaluation", "ten-classes", "few-steps"),
    ("evaluation", "digits", "max-seconds"),
    ("conditional", "colour", "max-seconds"),
    ("biggan", "two-classes", "max-seconds"),
    ("training_tricks", "32x64", "max-seconds"),
    ("training_doctor", "three-classes", "few-steps"),
    ("translation", "30x45", "few-steps"),
    ("unpaired", "colour", "few-steps"),
    ("restoration", "no-classes", "max-seconds"),
    ("latents", "colour", "few-steps"),
    ("stylegan", "30x45", "few-steps"),
    ("own_images", "30x45", "few-steps"),
    ("transfer", "two-classes", "max-seconds"),
    ("transfer", "letters", "few-steps"),
    ("art", "no-classes", "max-seconds"),
    *((chapter, "no-classes", "few-steps") for chapter in NEED_LABELS),
)


def may_refuse(case) -> bool:
    """Whether the case can end with a sentence instead of a run."""
    chapter, kind, _ = case
    return kind == "no-classes" and chapter in NEED_LABELS


def parameters(case, dataset, output_dir) -> dict:
    """What is injected after the parameters' cell."""
    chapter, kind, budget = case
    given = {"dataset": str(dataset), "output_dir": str(output_dir), "n_samples": N_SAMPLES}
    if chapter == "unpaired":  # a data set to itself; of folders the names agree
        given |= {"sources": given.pop("dataset"), "image_size": ""}
        given |= {"targets": str(dataset), "paired": kind in FOLDERS and budget == "few-steps"}
    if chapter == "translation" and kind in FOLDERS:
        given |= {"sources": str(dataset), "targets": str(dataset)}
    if chapter == "stylegan" and kind != "no-classes":  # to be trained on for longer, as well
        longer = "R3GAN" if budget == "few-steps" else "DCGAN"
        given |= {"photographs": str(dataset), "longer": longer, "longer_steps": 2}
    if chapter == "transfer":  # from a data set to itself
        given |= {"target": str(dataset), "image_size": "" if kind in FOLDERS else "16"}
    if kind in SIZES:
        given["image_size"] = SIZES[kind]
    return given | SMALL[chapter] | STEPS[budget]
