// Weight norm: see layers/weightnorm.py. A weight is seen as (outer, units, inner): sums run over outer and inner, and
// there is one length per unit. Convolution and linear: inner = 1; transposed convolution: inner = C_in.
// gamma, the affine scale, is read only if affine; else it is 1.

// Per unit the sum of a * b over every chunks-th element. One thread per unit and chunk, sums (units, chunks) or
// (chunks, units), whichever has neighbouring threads read neighbouring elements.
extern "C" __global__ void wn_chunk_products(
    const REAL *a, const REAL *b, index_t outer, index_t units, index_t inner, index_t chunks, REAL *sums)
{
    const index_t t = THREAD;
    if (t >= units * chunks) return;
    const index_t unit = inner == 1 ? t % units : t / chunks;
    const index_t chunk = inner == 1 ? t / units : t % chunks;
    REAL sum = 0;
    for (index_t l = chunk; l < outer * inner; l += chunks) {
        const index_t i = ((l / inner) * units + unit) * inner + l % inner;
        sum += a[i] * b[i];
    }
    sums[unit * chunks + chunk] = sum;
}

// n = sqrt(k * sum + epsilon). One thread per unit.
extern "C" __global__ void wn_length(
    const REAL *sums, index_t units, index_t chunks, REAL k, REAL epsilon, REAL *length)
{
    const index_t unit = THREAD;
    if (unit >= units) return;
    REAL sum = 0;
    for (index_t chunk = 0; chunk < chunks; ++chunk) sum += sums[unit * chunks + chunk];
    length[unit] = sqrt(k * sum + epsilon);
}

// u = gamma * w / n. One thread per element.
extern "C" __global__ void wn_divide(
    const REAL *w, const REAL *length, const REAL *gamma, index_t affine,
    index_t units, index_t inner, index_t count, REAL *u)
{
    const index_t i = THREAD;
    if (i >= count) return;
    const index_t unit = i / inner % units;
    const REAL v = w[i] / length[unit];
    u[i] = affine ? v * gamma[unit] : v;
}

// s = sum of du * w / n, the component of du along w; it is also the gradient of gamma. One thread per unit.
extern "C" __global__ void wn_component(
    const REAL *sums, const REAL *length, index_t units, index_t chunks, index_t affine, REAL *s, REAL *dgamma)
{
    const index_t unit = THREAD;
    if (unit >= units) return;
    REAL sum = 0;
    for (index_t chunk = 0; chunk < chunks; ++chunk) sum += sums[unit * chunks + chunk];
    s[unit] = sum / length[unit];
    if (affine) dgamma[unit] += s[unit];
}

// dw += gamma * (du - k * v * s) / n. One thread per element.
extern "C" __global__ void wn_project(
    const REAL *du, const REAL *w, const REAL *length, const REAL *s, const REAL *gamma, index_t affine, REAL k,
    index_t units, index_t inner, index_t count, REAL *dw)
{
    const index_t i = THREAD;
    if (i >= count) return;
    const index_t unit = i / inner % units;
    const REAL v = w[i] / length[unit];
    const REAL along = (du[i] - k * v * s[unit]) / length[unit];
    dw[i] += affine ? gamma[unit] * along : along;
}
