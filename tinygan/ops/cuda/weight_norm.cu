// Weights of length one: see tinygan/ops/__init__.py. A weight is seen as (outer, units, inner): sums run over outer and inner,
// and there is one length per unit. Convolution and linear: inner = 1; transposed convolution: inner = C_in.

// Per unit the sum of a * b over every chunks-th element, into sums (units, chunks). One thread per unit and chunk, in
// the order that has neighbouring threads read neighbouring elements.
extern "C" __global__ void chunk_products(
    const REAL *__restrict__ a, const REAL *__restrict__ b,
    index_t outer, index_t units, index_t inner, index_t chunks, REAL *__restrict__ sums)
{
    const index_t t = THREAD;
    if (t >= units * chunks) return;
    const index_t unit = inner == 1 ? t % units : t / chunks;
    const index_t chunk = inner == 1 ? t / units : t % chunks;
    REAL sum = 0;
    for (index_t l = chunk; l < outer * inner; l += AHEAD * chunks) {
        REAL as[AHEAD], bs[AHEAD];
        for (index_t k = 0; k < AHEAD; ++k) {
            const index_t at = l + k * chunks, before = inner == 1 ? at : at / inner;
            const index_t i = (before * units + unit) * inner + at - before * inner;
            as[k] = at < outer * inner ? a[i] : (REAL)0;
            bs[k] = at < outer * inner ? b[i] : (REAL)0;
        }
        for (index_t k = 0; k < AHEAD; ++k) sum += as[k] * bs[k];
    }
    sums[unit * chunks + chunk] = sum;
}

__device__ REAL total_of(const REAL *sums, index_t unit, index_t chunks)
{
    REAL sum = 0;
    for (index_t chunk = 0; chunk < chunks; chunk += AHEAD) {
        REAL next[AHEAD];
        for (index_t k = 0; k < AHEAD; ++k) next[k] = chunk + k < chunks ? sums[unit * chunks + chunk + k] : (REAL)0;
        for (index_t k = 0; k < AHEAD; ++k) sum += next[k];
    }
    return sum;
}

// The sums over the chunks, or what they are added to. One thread per unit.
extern "C" __global__ void totals(
    const REAL *__restrict__ sums, index_t units, index_t chunks, index_t add, REAL *__restrict__ out)
{
    const index_t unit = THREAD;
    if (unit < units) out[unit] = (add ? out[unit] : (REAL)0) + total_of(sums, unit, chunks);
}

// n = sqrt(k * sum + epsilon). One thread per unit.
extern "C" __global__ void lengths(
    const REAL *__restrict__ sums, index_t units, index_t chunks, REAL k, REAL epsilon, REAL *__restrict__ length)
{
    const index_t unit = THREAD;
    if (unit < units) length[unit] = sqrt(k * total_of(sums, unit, chunks) + epsilon);
}

// v = w / n. One thread per element.
extern "C" __global__ void divide(
    const REAL *w, const REAL *length, index_t units, index_t inner, index_t count, REAL *v)
{
    const index_t i = THREAD;
    if (i < count) v[i] = w[i] / length[i / inner % units];
}

// total += (dv - k * v * s) / n. One thread per element.
extern "C" __global__ void add_projected(
    const REAL *dv, const REAL *v, const REAL *length, const REAL *s, REAL k,
    index_t units, index_t inner, index_t count, REAL *total)
{
    const index_t i = THREAD;
    if (i >= count) return;
    const index_t unit = i / inner % units;
    total[i] += (dv[i] - k * v[i] * s[unit]) / length[unit];
}
