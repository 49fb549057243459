"""What every test relies on."""

import os

# Set before anything imports Keras or Matplotlib: the backend that the book teaches with, whatever
# the reader's own configuration says, and figures without a screen.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ["MPLBACKEND"] = "Agg"
