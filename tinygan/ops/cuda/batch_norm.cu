// Batch norm's passes over x (rows, channels): see tinygan/ops/__init__.py. A chunk is every chunks-th row, as in sums.cu.

// Mean and sum of squared distances from it, of every chunks-th row. One thread per channel and chunk.
extern "C" __global__ void chunk_moments(
    const REAL *__restrict__ x, index_t rows, index_t channels, index_t chunks,
    REAL *__restrict__ means, REAL *__restrict__ squares)
{
    const index_t t = THREAD, c = t % channels, chunk = t / channels;
    if (chunk >= chunks) return;
    const index_t count = (rows - chunk + chunks - 1) / chunks;
    REAL sum = 0;
    for (index_t row = chunk; row < rows; row += AHEAD * chunks) {
        REAL next[AHEAD];
        for (index_t k = 0; k < AHEAD; ++k) {
            const index_t r = row + k * chunks;
            next[k] = r < rows ? x[r * channels + c] : (REAL)0;
        }
        for (index_t k = 0; k < AHEAD; ++k) sum += next[k];
    }
    const REAL mean = sum / count;
    REAL square = 0;
    for (index_t row = chunk; row < rows; row += AHEAD * chunks) {
        REAL next[AHEAD];
        for (index_t k = 0; k < AHEAD; ++k) {
            const index_t r = row + k * chunks;
            next[k] = r < rows ? x[r * channels + c] : mean;
        }
        for (index_t k = 0; k < AHEAD; ++k) square += (next[k] - mean) * (next[k] - mean);
    }
    means[t] = mean;
    squares[t] = square;
}

// The chunks' moments put together (Chan, Golub & LeVeque 1979): with d = mean' - mean,
// mean += d * n' / (n + n') and squares += squares' + d^2 * n * n' / (n + n'). No difference of large numbers.
// One thread per channel.
extern "C" __global__ void merge_moments(
    const REAL *means, const REAL *squares, index_t rows, index_t channels, index_t chunks, REAL *mean, REAL *var)
{
    const index_t c = THREAD;
    if (c >= channels) return;
    REAL n = 0, m = 0, square = 0;
    for (index_t first = 0; first < chunks; first += AHEAD) {
        REAL next_means[AHEAD], next_squares[AHEAD];
        for (index_t k = 0; k < AHEAD; ++k) {
            const index_t i = (first + k) * channels + c;
            next_means[k] = first + k < chunks ? means[i] : (REAL)0;
            next_squares[k] = first + k < chunks ? squares[i] : (REAL)0;
        }
        for (index_t k = 0; k < AHEAD && first + k < chunks; ++k) {
            const REAL more = (rows - (first + k) + chunks - 1) / chunks, share = more / (n + more);
            const REAL d = next_means[k] - m;
            m += d * share;
            square += next_squares[k] + d * d * n * share;
            n += more;
        }
    }
    mean[c] = m;
    var[c] = square / rows;
}

// y = scale * (x - mean) * r + shift. One thread per element.
extern "C" __global__ void batch_norm(
    const REAL *x, const REAL *mean, const REAL *r, const REAL *scale, const REAL *shift,
    index_t channels, index_t count, REAL *y)
{
    const index_t i = THREAD, c = i % channels;
    if (i >= count) return;
    y[i] = (x[i] - mean[c]) * (r[c] * scale[c]) + shift[c];
}

// Sums of dy and of dy * (x - mean) * r over every chunks-th row. One thread per channel and chunk.
extern "C" __global__ void batch_norm_sums(
    const REAL *__restrict__ x, const REAL *__restrict__ dy, const REAL *mean, const REAL *r,
    index_t rows, index_t channels, index_t chunks, REAL *__restrict__ sums)  // sums (chunks, 2, channels)
{
    const index_t t = THREAD, c = t % channels, chunk = t / channels;
    if (chunk >= chunks) return;
    REAL shift_sum = 0, scale_sum = 0;
    const REAL m = mean[c], factor = r[c];
    for (index_t row = chunk; row < rows; row += AHEAD * chunks) {
        REAL xs[AHEAD], dys[AHEAD];
        for (index_t k = 0; k < AHEAD; ++k) {
            const index_t at = row + k * chunks, i = at * channels + c;
            xs[k] = at < rows ? x[i] : m;
            dys[k] = at < rows ? dy[i] : (REAL)0;
        }
        for (index_t k = 0; k < AHEAD; ++k) {
            shift_sum += dys[k];
            scale_sum += dys[k] * ((xs[k] - m) * factor);
        }
    }
    sums[2 * chunk * channels + c] = shift_sum;
    sums[(2 * chunk + 1) * channels + c] = scale_sum;
}

// dx = a * dy - (a * r * dscale / M) * (x - mean) - a * dshift / M with a = scale * r. One thread per element.
extern "C" __global__ void batch_norm_backward(
    const REAL *x, const REAL *dy, const REAL *mean, const REAL *r, const REAL *scale, const REAL *dshift,
    const REAL *dscale, REAL M, index_t channels, index_t count, REAL *dx)
{
    const index_t i = THREAD, c = i % channels;
    if (i >= count) return;
    const REAL a = scale[c] * r[c], b = a * r[c] * dscale[c] / M, k = a * dshift[c] / M;
    dx[i] = a * dy[i] - b * (x[i] - mean[c]) - k;
}

// running += momentum * (batch - running), of mean and variance, the variance times `correction`. One thread per
// channel.
extern "C" __global__ void update_statistics(
    const REAL *mean, const REAL *var, REAL correction, REAL momentum, index_t channels,
    REAL *running_mean, REAL *running_var)
{
    const index_t c = THREAD;
    if (c >= channels) return;
    running_mean[c] += momentum * (mean[c] - running_mean[c]);
    running_var[c] += momentum * (var[c] * correction - running_var[c]);
}
