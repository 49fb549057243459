"""What goes with a training: callbacks, checkpoints, its health, and variants side by side."""
