// What the tests ask of the GAN lab's scripts; run after these, in Node or in a browser.
"use strict";
const questions = {
  /** Both players' losses and gradients, at given weights, points and latents. */
  gradients({ settings, generator, discriminator, real, latents, places }) {
    const game = new ganlab.Game(settings);
    game.generator.parameters.set(generator);
    game.discriminator.parameters.set(discriminator);
    const fakes = () => game.generator.forward(Float64Array.from(latents), places.length);
    const place = (i) => places[i];
    const discriminatorLoss = game.discriminatorGradients(Float64Array.from(real), fakes(), place);
    const discriminatorGradients = Array.from(game.discriminator.gradients);
    const generatorLoss = game.generatorGradients(fakes());
    return {
      discriminatorLoss,
      penalty: game.penalty,
      discriminatorGradients,
      generatorLoss,
      generatorGradients: Array.from(game.generator.gradients),
      pulls: Array.from(game.pulls(fakes(), places.length)),
    };
  },

  /** The largest difference of gradients from finite differences, and the largest gradient. */
  differences({ settings, player, count }) {
    const game = new ganlab.Game(settings);
    for (let i = 0; i < 50; i++) game.round();
    const real = game.density.sample(game.data, new Float64Array(256));
    const latents = game.noise.normals(new Float64Array(256));
    const step = 1e-7;
    const total = () => {
      const fakes = game.generator.forward(latents, 128);
      if (player === "generator") return game.generatorGradients(fakes);
      return game.discriminatorGradients(real, fakes, (i) => i / 128) + game.penalty;
    };
    const { parameters, gradients } = game[player];
    gradients.fill(0);
    total();
    const exact = gradients.slice();
    let worst = 0;
    for (let k = 0; k < count; k++) {
      const i = Math.floor((k * parameters.length) / count), kept = parameters[i];
      parameters[i] = kept + step;
      const above = total();
      parameters[i] = kept - step;
      const below = total();
      parameters[i] = kept;
      worst = Math.max(worst, Math.abs((above - below) / (2 * step) - exact[i]));
    }
    return { worst, largest: Math.max(...exact.map(Math.abs)) };
  },

  /** Parameters after Adam has seen some gradients. */
  adam({ gradients, rate, momentum }) {
    const network = new ganlab.Network([2, 3, 1], new ganlab.Random(0));
    const before = Array.from(network.parameters), adam = new ganlab.Adam(network);
    for (const gradient of gradients) {
      network.gradients.set(gradient);
      adam.step(rate, momentum);
    }
    return { before, after: Array.from(network.parameters), left: Array.from(network.gradients) };
  },

  /** Play a game, and look at it every so often. */
  play({ settings, rounds, every, then }) {
    const game = new ganlab.Game(settings), seen = [];
    for (let round = 1; round <= rounds; round++) {
      if (then && round === then.round) Object.assign(game.settings, then.settings);
      game.round();
      if (round % every) continue;
      const points = game.generated(), pulls = game.pulls(points, points.length / 2);
      let pull = 0;
      for (let i = 0; i < pulls.length; i += 2) pull += Math.hypot(pulls[i], pulls[i + 1]);
      seen.push({
        round,
        ...ganlab.coverage(game.density, points),
        discriminatorLoss: game.discriminatorLoss,
        generatorLoss: game.generatorLoss,
        pull: (2 * pull) / pulls.length,
        centre: [0, 1].map((k) => points.filter((_, i) => i % 2 === k).reduce((a, b) => a + b) / 512),
        largestWeight: Math.max(...game.discriminator.parameters.map(Math.abs)),
      });
    }
    return seen;
  },

  /**
   * Only the discriminator learns. How hard the loss pulls, before and after, and how much of that
   * at the tenth of the points where it pulls most.
   */
  discriminatorAlone({ settings, updates }) {
    const game = new ganlab.Game(settings);
    const look = () => {
      const pulls = game.pulls(game.generated(), 512);
      const sizes = Array.from({ length: 512 }, (_, i) => Math.hypot(pulls[2 * i], pulls[2 * i + 1]));
      const sum = (numbers) => numbers.reduce((a, b) => a + b);
      sizes.sort((a, b) => b - a);
      return { pull: sum(sizes) / 512, leaders: sum(sizes.slice(0, 51)) / sum(sizes) };
    };
    const before = look();
    for (let i = 0; i < updates; i++) game.stepDiscriminator();
    return { before, after: look(), loss: game.discriminatorLoss };
  },

  /** Points of a density, its places, and what `coverage` says of them. */
  sample({ density, seed, points }) {
    const made = density === "drawn" ? new ganlab.Drawing(points) : ganlab.DENSITIES[density]();
    const sample = made.sample(new ganlab.Random(seed), new Float64Array(4000));
    return {
      points: Array.from(sample),
      places: made.places,
      reach: made.reach,
      ...ganlab.coverage(made, sample),
    };
  },

  /** The normal and the uniform numbers of a seed. */
  numbers({ seed, stream, n }) {
    const random = new ganlab.Random(seed, stream);
    const uniform = Array.from({ length: n }, () => random.uniform());
    return { uniform, normal: Array.from(random.normals(new Float64Array(n))) };
  },

  defaults: () => ganlab.DEFAULTS,
};
const answer = async ({ question, ...rest }) => questions[question](rest);
