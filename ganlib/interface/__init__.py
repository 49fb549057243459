"""Between a person, or Keras, and the game: what a GAN is given is looked at, and what it made is
handed out."""
