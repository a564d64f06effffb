// y = x where x >= b, else b + a * (x - b), one slope a and one shift b per channel: see tinygan/ops/__init__.py.
// A slope or shift that is not learned is a number; then its pointer is not read.

struct Bend { REAL slope, shift; };

__device__ Bend bend_of(index_t c, const REAL *slope, index_t slope_learned, REAL slope_value,
                        const REAL *shift, index_t shift_learned, REAL shift_value)
{
    Bend bend = {slope_learned ? slope[c] : slope_value, shift_learned ? shift[c] : shift_value};
    return bend;
}

// One thread per element of x (rows, channels).
extern "C" __global__ void rectifier_forward(
    const REAL *x,
    const REAL *slope, index_t slope_learned, REAL slope_value,
    const REAL *shift, index_t shift_learned, REAL shift_value,
    index_t channels, index_t count, REAL *y)
{
    const index_t i = THREAD;
    if (i >= count) return;
    const Bend bend = bend_of(i % channels, slope, slope_learned, slope_value, shift, shift_learned, shift_value);
    const REAL distance = x[i] - bend.shift;
    // A slope that is the number 0 gives the shift itself, for x = -infinity too. A NaN stays one.
    if (distance >= 0) y[i] = x[i];
    else if (distance < 0 && !slope_learned && slope_value == 0) y[i] = bend.shift;
    else y[i] = bend.shift + bend.slope * distance;
}

// dx alone. One thread per element.
extern "C" __global__ void rectifier_input_gradient(
    const REAL *x, const REAL *dy,
    const REAL *slope, index_t slope_learned, REAL slope_value,
    const REAL *shift, index_t shift_learned, REAL shift_value,
    index_t channels, index_t count, REAL *dx)
{
    const index_t i = THREAD;
    if (i >= count) return;
    const Bend bend = bend_of(i % channels, slope, slope_learned, slope_value, shift, shift_learned, shift_value);
    const REAL dy_below = x[i] < bend.shift ? dy[i] : (REAL)0;
    dx[i] = dy[i] - (1 - bend.slope) * dy_below;
}

// dx, and the sums for slope and shift over every chunks-th row: one thread per channel and chunk.
#define ROWS_AHEAD (AHEAD / 2)  // of two loads each; with more the compiler mixes them with the stores
extern "C" __global__ void rectifier_backward(
    const REAL *__restrict__ x, const REAL *__restrict__ dy,
    const REAL *slope, index_t slope_learned, REAL slope_value,
    const REAL *shift, index_t shift_learned, REAL shift_value,
    index_t channels, index_t rows, index_t chunks,
    index_t need_dx, REAL *__restrict__ dx, REAL *__restrict__ sums)  // sums (chunks, 2, channels): slope, shift
{
    const index_t t = THREAD, c = t % channels, chunk = t / channels;
    if (chunk >= chunks) return;
    const Bend bend = bend_of(c, slope, slope_learned, slope_value, shift, shift_learned, shift_value);
    REAL slope_sum = 0, shift_sum = 0;
    for (index_t row = chunk; row < rows; row += ROWS_AHEAD * chunks) {
        REAL xs[ROWS_AHEAD], dys[ROWS_AHEAD];
        for (index_t k = 0; k < ROWS_AHEAD; ++k) {
            const index_t r = row + k * chunks, i = r * channels + c;
            xs[k] = r < rows ? x[i] : bend.shift;
            dys[k] = r < rows ? dy[i] : (REAL)0;
        }
        for (index_t k = 0; k < ROWS_AHEAD; ++k) {
            const REAL distance = xs[k] - bend.shift, dy_below = distance < 0 ? dys[k] : (REAL)0;
            slope_sum += dy_below * distance;
            shift_sum += dy_below;
            dys[k] -= (1 - bend.slope) * dy_below;
        }
        for (index_t k = 0; need_dx && k < ROWS_AHEAD; ++k) {
            const index_t r = row + k * chunks;
            if (r < rows) dx[r * channels + c] = dys[k];
        }
    }
    sums[2 * chunk * channels + c] = slope_sum;
    sums[(2 * chunk + 1) * channels + c] = (1 - bend.slope) * shift_sum;
}
