"""A GAN on arrays of one's own, with the library's step: 8×8 images of one bright square each."""

import numpy as np

from tinygan import SCHEDULES, Game, Player, layers, open_backend, rng_for

N, CODE, backend = 32, 8, open_backend("cpu")


def squares(iteration):
    """N images (N, 8, 8, 3) in [0, 1], black but for a 4×4 square of one colour at one of 25 places."""
    rng, images = rng_for(0, "squares", iteration), np.zeros((N, 8, 8, 3), np.float32)
    for image in images:
        top, left = rng.integers(0, 5, 2)
        image[top : top + 4, left : left + 4] = rng.uniform(0.5, 1, 3)
    return images


G = layers.Sequential([
    layers.WeightNorm(layers.Linear(CODE, 4 * 4 * 16)), layers.Reshape((4, 4, 16)), layers.TPReLU(16),
    layers.WeightNorm(layers.ConvTranspose2d(16, 3, kernel=4, stride=2, pad=1), affine=True), layers.Sigmoid(),
])  # fmt: skip
D = layers.Sequential([
    layers.WeightNorm(layers.Conv2d(3, 16, kernel=4, stride=2, pad=1)), layers.TPReLU(16),
    layers.WeightNorm(layers.Conv2d(16, 1, kernel=4), affine=True), layers.Reshape(()),
])  # fmt: skip
game = Game(Player(G, rng_for(0, "G"), backend), Player(D, rng_for(0, "D"), backend))
schedule = SCHEDULES["alternating"]
for iteration in range(300):
    codes = rng_for(0, "codes", iteration).standard_normal((schedule.code_batches, N, CODE))
    d_real, d_fake, g = schedule.step(game, squares(iteration), backend.to_device(codes), learning_rate=1e-3)
print(f"losses after 300 iterations: D {d_real:.3f} real, {d_fake:.3f} generated; G {g:.3f}")
images, _ = G(backend.to_device(rng_for(0, "samples").standard_normal((5, CODE))))
print("mean brightness of samples and of squares:", images.mean().round(3), squares(0).mean().round(3))
