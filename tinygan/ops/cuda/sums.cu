// One level of a sum over the rows of x (rows, columns): every thread adds up a fixed set of rows, in a fixed order. No
// atomics: the result is the same from run to run.

// One thread per column and chunk; a chunk is every chunks-th row, so that neighbouring threads read neighbours.
extern "C" __global__ void column_sums(
    const REAL *__restrict__ x, index_t rows, index_t columns, index_t chunks, REAL *__restrict__ sums)
{
    const index_t t = THREAD, column = t % columns, chunk = t / columns;
    if (chunk >= chunks) return;
    REAL sum = 0;  // of x[row * columns + column] over row = chunk, chunk + chunks, ...
    for (index_t row = chunk; row < rows; row += AHEAD * chunks) {
        REAL next[AHEAD];
        for (index_t k = 0; k < AHEAD; ++k) {
            const index_t r = row + k * chunks;
            next[k] = r < rows ? x[r * columns + column] : (REAL)0;
        }
        for (index_t k = 0; k < AHEAD; ++k) sum += next[k];
    }
    sums[t] = sum;
}
