"""What a game is made of: losses, penalties, terms, augmentation, and who plays it."""

from ganlib.game import augment, losses, penalties, terms

__all__ = ["augment", "losses", "penalties", "terms"]
