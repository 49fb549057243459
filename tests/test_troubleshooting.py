"""What the page on troubleshooting tells readers to run."""

import json
import re
import textwrap

import numpy as np
import pytest
from sources import ROOT
from test_backends import available, run

from ganlib import models

PAGE = (ROOT / "book/troubleshooting.md").read_text(encoding="utf-8")
(CODE,) = (textwrap.dedent(code) for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))


@pytest.mark.slow
def test_a_saved_generator_gives_the_same_images_on_every_backend(tmp_path):
    code = ""
    for classes in (None, 3):
        file = tmp_path / f"{classes}.keras"
        models.dcgan.generator((8, 8, 1), 5, width=4, classes=classes).save(file)
        code += CODE.replace("outputs/dcgan/generator.keras", str(file))
        code += "print(images.ravel().tolist())\n"
    code = code.replace("predict(given)", "predict(given, verbose=0)")
    backends = [name for name in ("tensorflow", "jax", "torch") if available(name)]
    made = [
        np.array([json.loads(line) for line in run(backend, "-c", code).splitlines()])
        for backend in backends
    ]
    assert made[0].shape == (2, 16 * 8 * 8)
    for others in made[1:]:
        assert np.abs(others - made[0]).max() <= 1  # of 255, where rounding differs
