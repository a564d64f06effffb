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
    for (index_t row = chunk; row < rows; row += chunks) sum += x[row * channels + c];
    const REAL mean = sum / count;
    REAL square = 0;
    for (index_t row = chunk; row < rows; row += chunks) {
        const REAL centred = x[row * channels + c] - mean;
        square += centred * centred;
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
    for (index_t chunk = 0; chunk < chunks; ++chunk) {
        const REAL more = (rows - chunk + chunks - 1) / chunks, share = more / (n + more);
        const REAL d = means[chunk * channels + c] - m;
        m += d * share;
        square += squares[chunk * channels + c] + d * d * n * share;
        n += more;
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
    for (index_t row = chunk; row < rows; row += chunks) {
        const index_t i = row * channels + c;
        shift_sum += dy[i];
        scale_sum += dy[i] * ((x[i] - mean[c]) * r[c]);
    }
    sums[2 * chunk * channels + c] = shift_sum;
    sums[(2 * chunk + 1) * channels + c] = scale_sum;
}

// dx = a * dy - b * (x - mean) - k, with coefficients per channel. One thread per element.
extern "C" __global__ void batch_norm_backward(
    const REAL *x, const REAL *dy, const REAL *mean, const REAL *a, const REAL *b, const REAL *k,
    index_t channels, index_t count, REAL *dx)
{
    const index_t i = THREAD, c = i % channels;
    if (i >= count) return;
    dx[i] = a[c] * dy[i] - b[c] * (x[i] - mean[c]) - k[c];
}
