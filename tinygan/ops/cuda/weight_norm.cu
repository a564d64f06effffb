// Weights of length one: see tinygan/ops/__init__.py. A weight is seen as (OUTER, UNITS, INNER): sums run over OUTER and
// INNER, and there is one length per unit. Convolution and linear: INNER = 1; transposed convolution: INNER = C_in.
//
// A block has SIDE neighbouring units to itself, BLOCK / SIDE threads for each, which read neighbouring values together.
// The shape and SIDE are -D options that launch.py gives.

#define LANES (BLOCK / SIDE)
#define UNIT (blockIdx.x * SIDE + threadIdx.x % SIDE)
#define LANE (threadIdx.x / SIDE)
#define LENGTH (UNIT < UNITS ? OUTER * INNER : 0)  // of a unit's values; the last block may have room for more units

// Where value l of the thread's unit is.
__device__ index_t place_of(index_t l)
{
    return (l / INNER * UNITS + UNIT) * INNER + l % INNER;
}

// The sum of a * b over the unit of the calling thread: every thread adds up each LANES-th product, and the sums of all
// threads of a unit are added two by two.
__device__ REAL dot_of_unit(const REAL *__restrict__ a, const REAL *__restrict__ b)
{
    __shared__ REAL parts[BLOCK];
    REAL sum = 0;
    for (index_t l = LANE; l < LENGTH; l += AHEAD * LANES) {
        REAL as[AHEAD], bs[AHEAD];
        for (index_t k = 0; k < AHEAD; ++k) {
            const index_t at = l + k * LANES, i = place_of(at);
            as[k] = at < LENGTH ? a[i] : (REAL)0;
            bs[k] = at < LENGTH ? b[i] : (REAL)0;
        }
        for (index_t k = 0; k < AHEAD; ++k) sum += as[k] * bs[k];
    }
    parts[threadIdx.x] = sum;
    for (index_t half = BLOCK / 2; half >= SIDE; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
    }
    __syncthreads();
    return parts[threadIdx.x % SIDE];
}

// v = w / n with n = sqrt(k * sum of w^2 + epsilon).
extern "C" __global__ void weight_norm(
    const REAL *__restrict__ w, REAL k, REAL epsilon, REAL *__restrict__ length, REAL *__restrict__ v)
{
    const REAL n = sqrt(k * dot_of_unit(w, w) + epsilon);
    if (LENGTH && LANE == 0) length[UNIT] = n;
    for (index_t l = LANE; l < LENGTH; l += AHEAD * LANES) {
        REAL ws[AHEAD];
        for (index_t k = 0; k < AHEAD; ++k) ws[k] = l + k * LANES < LENGTH ? w[place_of(l + k * LANES)] : (REAL)0;
        for (index_t k = 0; k < AHEAD; ++k)
            if (l + k * LANES < LENGTH) v[place_of(l + k * LANES)] = ws[k] / n;
    }
}

// dw += (dv - k * v * s) / n with s = the sum of dv * v.
#define PLACES (AHEAD / 2)  // of three loads each
extern "C" __global__ void weight_norm_gradient(
    const REAL *__restrict__ dv, const REAL *__restrict__ v, const REAL *__restrict__ length, REAL k,
    REAL *__restrict__ dw)
{
    const REAL s = dot_of_unit(dv, v), n = LENGTH ? length[UNIT] : (REAL)1;
    for (index_t l = LANE; l < LENGTH; l += PLACES * LANES) {
        REAL dvs[PLACES], vs[PLACES], dws[PLACES];
        for (index_t j = 0; j < PLACES; ++j) {
            const index_t at = l + j * LANES, i = place_of(at);
            dvs[j] = at < LENGTH ? dv[i] : (REAL)0;
            vs[j] = at < LENGTH ? v[i] : (REAL)0;
            dws[j] = at < LENGTH ? dw[i] : (REAL)0;
        }
        for (index_t j = 0; j < PLACES; ++j)
            if (l + j * LANES < LENGTH) dw[place_of(l + j * LANES)] = dws[j] + (dvs[j] - k * vs[j] * s) / n;
    }
}

// The sum of a * b per unit, or what it is added to.
extern "C" __global__ void channel_dot(
    const REAL *__restrict__ a, const REAL *__restrict__ b, index_t add, REAL *__restrict__ total)
{
    const REAL sum = dot_of_unit(a, b);
    if (LENGTH && LANE == 0) total[UNIT] = (add ? total[UNIT] : (REAL)0) + sum;
}
