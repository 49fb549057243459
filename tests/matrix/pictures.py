"""Folders of images such as readers have, drawn anew: names with spaces and accents, few images."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("Äpfel süß", "Birnen & Quitten", "gelbe Zitronen", "夏 みかん", "œufs (frais)")
NAMES += ("Kürbisse", "Nüsse 100%", "Pêches d'été", "rote Rüben", "Żurawina")


def draw(rng, kind, height, width, grey):
    """An image of a class, uint8 (height, width, 3) or (height, width): stripes on a colour.

    The class says which colour, and how wide the stripes are; place and light are chance.
    """
    y, x = np.mgrid[:height, :width]
    place = (x if kind % 2 else y) + rng.integers(12)
    stripes = place // (2 + kind % 5) % 2
    colour = np.array([(37 * kind + 80) % 256, (91 * kind + 30) % 256, (151 * kind + 200) % 256])
    image = colour * rng.uniform(0.7, 1.0) * (0.4 + 0.6 * stripes[..., None])
    image = np.clip(image + rng.normal(0, 8, (height, width, 1)), 0, 255).astype(np.uint8)
    return image.mean(axis=2).astype(np.uint8) if grey else image


# Kind of data: how many classes (0: loose files), images of each, height, width, grey.
FOLDERS = {
    "three-classes": (3, 48, 30, 30, True),
    "ten-classes": (10, 16, 28, 28, True),
    "no-classes": (0, 144, 28, 28, True),
    "colour": (4, 36, 40, 70, False),
    "30x45": (3, 48, 30, 45, False),
    "32x64": (3, 48, 60, 90, False),
    "two-classes": (2, 72, 16, 16, True),
}


def make(folder, kind) -> Path:
    """Draw the folder of this kind unless it is there, and return its path.

    One that is there is found in any locale, even one that cannot write its name.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    for entry in os.scandir(folder):
        if kind in entry.name:
            return Path(entry.path)
    classes, each, height, width, grey = FOLDERS[kind]
    root = Path(folder) / f"meine Bilder, {kind} (größer)"
    rng = np.random.default_rng(0)
    for label in range(max(1, classes)):
        place = root / NAMES[label] if classes else root
        place.mkdir(parents=True)
        for i in range(each):
            suffix = "jpg" if i % 3 == 2 else "png"
            image = draw(rng, label if classes else i % 3, height, width, grey)
            Image.fromarray(image).save(place / f"ein bild ({i + 1}).{suffix}")
    return root
