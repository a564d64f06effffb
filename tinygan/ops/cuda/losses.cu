// The adversarial losses on logits (count): see tinygan/ops/__init__.py. Each thread gives its image's term and gradient; the terms
// are few and one thread adds them up.

__device__ REAL sigmoid_of(REAL x)
{
    return exp(x < 0 ? x : (REAL)0) / (1 + exp(-fabs(x)));
}

// softplus(s * l), s = -1 for "real" and 1 for "generated".
extern "C" __global__ void binary_cross_entropy(
    const REAL *logits, REAL s, index_t count, REAL *terms, REAL *dlogits)
{
    const index_t i = THREAD;
    if (i >= count) return;
    const REAL z = s * logits[i];
    terms[i] = (z < 0 ? (REAL)0 : z) + log1p(exp(-fabs(z)));  // a NaN stays one
    dlogits[i] = s * sigmoid_of(z) / count;
}

// (p - target)^2 with p = sigmoid(l) and q = 1 - p without cancellation.
extern "C" __global__ void least_squares(
    const REAL *logits, index_t target, index_t count, REAL *terms, REAL *dlogits)
{
    const index_t i = THREAD;
    if (i >= count) return;
    const REAL p = sigmoid_of(logits[i]), q = sigmoid_of(-logits[i]);
    const REAL error = target ? -q : p;
    terms[i] = error * error;
    dlogits[i] = 2 * error * p * q / count;
}

// The mean of a few values, in their order. One thread.
extern "C" __global__ void mean_of_terms(const REAL *terms, index_t count, REAL *mean)
{
    if (THREAD > 0) return;
    REAL sum = 0;
    for (index_t i = 0; i < count; ++i) sum += terms[i];
    *mean = sum / count;
}

// A row (d_real, d_fake, g) of the log. One thread.
extern "C" __global__ void record_losses(
    const REAL *d_real, const REAL *d_fake, const REAL *g, const long long *row, REAL *rows)
{
    if (THREAD > 0) return;
    REAL *to = rows + 3 * *row;
    to[0] = *d_real;
    to[1] = *d_fake;
    to[2] = *g;
}
