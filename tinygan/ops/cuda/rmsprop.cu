// a <- decay * a + (1 - decay) * g^2, w <- w - lr * g / (sqrt(a) + epsilon), clipped to [0, 1] if i < bounded, g <- 0.
// One thread per weight.
// The learning rate is read from the device's memory, so that a captured step can be replayed with another one.
extern "C" __global__ void rmsprop(
    REAL *g, REAL *a, const REAL *learning_rate, REAL decay, REAL rest, REAL epsilon, index_t bounded, index_t count,
    REAL *w)
{
    const index_t i = THREAD;
    if (i >= count) return;
    const REAL average = decay * a[i] + rest * g[i] * g[i];
    a[i] = average;
    REAL next = w[i] - *learning_rate * g[i] / (sqrt(average) + epsilon);
    if (i < bounded) next = next < 0 ? (REAL)0 : next > 1 ? (REAL)1 : next;  // a NaN stays one
    w[i] = next;
    g[i] = 0;
}
