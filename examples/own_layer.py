"""A layer of one's own: Swish with a learned β, checked against finite differences, in a network that trains."""

from tinygan import Layer, Player, check_gradients, layers, losses, open_backend, ops, rng_for


class Swish(Layer):
    """y = x·σ(βx), one β per channel (Ramachandran et al. 2017, arXiv 1710.05941)."""

    def __init__(self, channels):
        super().__init__()
        self.parameter("beta", (channels,), lambda rng, shape: rng.uniform(0.5, 1.5, shape))

    def __call__(self, x, training=False):
        s = ops.sigmoid(self.beta * x)

        def backward(dy, grads=None, need_dx=True):
            if grads is not None:
                grads[self.path("beta")] += ops.channel_sum(dy * x * x * s * (1 - s))
            return dy * (s + self.beta * x * s * (1 - s)) if need_dx else None

        return x * s, backward


print("largest error of a gradient:", check_gradients(Swish(1), x := rng_for(0, "x").standard_normal((64, 1))))
network, backend = [layers.Linear(1, 16), Swish(16), layers.Linear(16, 1)], open_backend("cpu", "float64")
player = Player(layers.Sequential(network), rng_for(0, "weights"), backend)
for _ in range(500):
    loss = player.learn(x, abs(x), losses.mean_squared_error)
    player.update(learning_rate=1e-2)
print(f"error of the fit to |x|: {loss:.4f}")
