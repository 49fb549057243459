// The game: losses, penalties, and the round of two players' updates.
"use strict";
(function (lab) {
  const sigmoid = (l) => 1 / (1 + Math.exp(-l));
  const softplus = (l) => Math.max(l, 0) + Math.log1p(Math.exp(-Math.abs(l)));

  // What a logit costs the discriminator at a real sample and at a fake one, and the generator at
  // its own: [value, slope] each. A player's loss is the mean over its batch, real plus fake.
  const LOSSES = {
    non_saturating: {
      real: [(l) => softplus(-l), (l) => -sigmoid(-l)],
      fake: [softplus, sigmoid],
      generator: [(l) => softplus(-l), (l) => -sigmoid(-l)],
    },
    minimax: {
      real: [(l) => softplus(-l), (l) => -sigmoid(-l)],
      fake: [softplus, sigmoid],
      generator: [(l) => -softplus(l), (l) => -sigmoid(l)],
    },
    least_squares: {
      real: [(l) => (l - 1) ** 2 / 2, (l) => l - 1],
      fake: [(l) => l ** 2 / 2, (l) => l],
      generator: [(l) => (l - 1) ** 2 / 2, (l) => l - 1],
    },
    hinge: {
      real: [(l) => Math.max(0, 1 - l), (l) => (l < 1 ? -1 : 0)],
      fake: [(l) => Math.max(0, 1 + l), (l) => (l > -1 ? 1 : 0)],
      generator: [(l) => -l, () => -1],
    },
    wasserstein: {
      real: [(l) => -l, () => -1],
      fake: [(l) => l, () => 1],
      generator: [(l) => -l, () => -1],
    },
  };

  // A penalty looks at the gradient of the logit at some points, real ones or points between real
  // and fake. Of the squared norm of the gradient, it gives [value, slope] for one point.
  const norm = (square) => Math.sqrt(square + 1e-12);
  const PENALTIES = {
    none: null,
    r1: { at: "real", of: [(s) => s / 2, () => 1 / 2] },
    gradient_penalty: {
      at: "between",
      of: [(s) => (norm(s) - 1) ** 2, (s) => (norm(s) - 1) / norm(s)],
    },
    weight_clipping: null, // it acts after an update
  };

  const DEFAULTS = {
    density: "ring", // "ring", "grid", "roll" or "drawn"
    loss: "non_saturating",
    penalty: "r1",
    weight: 0.1, // of the penalty; for weight clipping, the largest weight
    discriminatorRate: 0.003,
    generatorRate: 0.003,
    discriminatorSteps: 1, // in a round
    generatorSteps: 1,
    momentum: 0.5, // Adam's beta 1
    seed: 0,
  };
  const BATCH = 128;
  const LATENTS = 2;
  const WIDTH = 32;

  class Game {
    /** `drawing` holds the reader's points, for the density "drawn". */
    constructor(settings = {}, drawing = new lab.Drawing()) {
      this.settings = { ...DEFAULTS, ...settings };
      this.drawing = drawing;
      this.reset();
    }

    /** New players, from the seed. Settings other than it and the density may change at any time. */
    reset() {
      const { seed, density } = this.settings;
      this.density = density === "drawn" ? this.drawing : lab.DENSITIES[density]();
      const weights = new lab.Random(seed, 0);
      this.generator = new lab.Network([LATENTS, WIDTH, WIDTH, 2], weights);
      this.discriminator = new lab.Network([2, WIDTH, WIDTH, 1], weights);
      this.generatorAdam = new lab.Adam(this.generator);
      this.discriminatorAdam = new lab.Adam(this.discriminator);
      this.data = new lab.Random(seed, 1);
      this.noise = new lab.Random(seed, 2);
      this.real = new Float64Array(2 * BATCH);
      this.between = new Float64Array(2 * BATCH);
      this.latents = new Float64Array(LATENTS * BATCH);
      this.slopes = new Float64Array(BATCH);
      this.judged = new lab.Random(seed, 3).normals(new Float64Array(LATENTS * 512));
      this.discriminatorUpdates = this.generatorUpdates = this.rounds = 0;
      this.discriminatorLoss = this.generatorLoss = NaN; // at the last update of each
    }

    fakes() {
      return this.generator.forward(this.noise.normals(this.latents), BATCH);
    }

    /** Mean cost of the logits at n points; its gradient goes through the discriminator. */
    _cost(points, [value, slope], toParameters = true) {
      const logits = this.discriminator.forward(points, BATCH);
      let sum = 0;
      for (let i = 0; i < BATCH; i++) {
        sum += value(logits[i]);
        this.slopes[i] = slope(logits[i]) / BATCH;
      }
      return { cost: sum / BATCH, gradients: this.discriminator.backward(this.slopes, toParameters) };
    }

    /** Add the gradient of the penalty, `places` in [0, 1] between fake and real; its value. */
    _penalise(real, fake, place = () => this.noise.uniform()) {
      const penalty = PENALTIES[this.settings.penalty];
      if (!penalty) return 0;
      const { between, discriminator } = this;
      for (let i = 0; i < 2 * BATCH; i += 2) {
        const p = penalty.at === "real" ? 1 : place(i / 2);
        between[i] = p * real[i] + (1 - p) * fake[i];
        between[i + 1] = p * real[i + 1] + (1 - p) * fake[i + 1];
      }
      discriminator.forward(between, BATCH);
      const g = discriminator.inputGradients();
      const [value, slope] = penalty.of;
      let sum = 0;
      for (let i = 0; i < 2 * BATCH; i += 2) {
        const square = g[i] * g[i] + g[i + 1] * g[i + 1];
        const factor = (this.settings.weight * 2 * slope(square)) / BATCH;
        sum += value(square);
        g[i] *= factor; // from here on the penalty's gradient with respect to g
        g[i + 1] *= factor;
      }
      discriminator.penaliseInputGradients(g);
      return (this.settings.weight * sum) / BATCH;
    }

    /** Gradients of the discriminator's loss; its loss without the penalty. */
    discriminatorGradients(real, fake, place) {
      const loss = LOSSES[this.settings.loss];
      const cost = this._cost(real, loss.real).cost + this._cost(fake, loss.fake).cost;
      this.penalty = this._penalise(real, fake, place);
      return cost;
    }

    /** Gradients of the generator's loss, at its last fakes; the loss. */
    generatorGradients(fake) {
      const { cost, gradients } = this._cost(fake, LOSSES[this.settings.loss].generator, false);
      this.generator.backward(gradients);
      return cost;
    }

    stepDiscriminator() {
      const { penalty, weight, discriminatorRate, momentum } = this.settings;
      this.density.sample(this.data, this.real);
      this.discriminatorLoss = this.discriminatorGradients(this.real, this.fakes());
      this.discriminatorAdam.step(discriminatorRate, momentum);
      if (penalty === "weight_clipping") {
        const { parameters } = this.discriminator;
        parameters.forEach((w, i) => (parameters[i] = Math.min(weight, Math.max(-weight, w))));
      }
      this.discriminatorUpdates++;
    }

    stepGenerator() {
      this.generatorLoss = this.generatorGradients(this.fakes());
      this.generatorAdam.step(this.settings.generatorRate, this.settings.momentum);
      this.generatorUpdates++;
    }

    /** The discriminator's updates, then the generator's, each on fresh samples. */
    round() {
      for (let i = 0; i < this.settings.discriminatorSteps; i++) this.stepDiscriminator();
      for (let i = 0; i < this.settings.generatorSteps; i++) this.stepGenerator();
      this.rounds++;
    }

    /** Points that the generator makes of 512 latents, always the same ones. */
    generated() {
      return this.generator.forward(this.judged, this.judged.length / LATENTS).slice();
    }

    /** Where the loss pulls n points: minus its gradient at each, in units of its own cost. */
    pulls(points, n) {
      const slope = LOSSES[this.settings.loss].generator[1];
      const logits = this.discriminator.forward(points, n).slice(0, n);
      const g = this.discriminator.inputGradients().slice(0, 2 * n);
      return g.map((value, i) => -slope(logits[i >> 1]) * value);
    }
  }

  Object.assign(lab, { LOSSES, PENALTIES, DEFAULTS, Game });
})((globalThis.ganlab ??= {}));
