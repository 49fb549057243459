"""What every test relies on."""

import os

# Set before anything imports Keras: the backend that the book teaches with, whatever the reader's
# own configuration says.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import matplotlib  # noqa: E402

matplotlib.use("Agg")  # not in the environment: a chapter executed by these tests shows its figures
