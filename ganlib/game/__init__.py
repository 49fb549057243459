"""What a game is made of: losses, penalties, augmentation, and what a round needs beside them."""

from ganlib.game import augment, losses, penalties

__all__ = ["augment", "losses", "penalties"]
