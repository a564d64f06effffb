// Sums over the rows of x (rows, columns) in two stages: every thread adds up a fixed set of rows, in a fixed order;
// then one thread per column adds up those sums. No atomics: the result is the same from run to run.

// One thread per column and chunk; a chunk is every chunks-th row, so that neighbouring threads read neighbours.
extern "C" __global__ void column_sums(const REAL *x, index_t rows, index_t columns, index_t chunks, REAL *sums)
{
    const index_t t = THREAD, column = t % columns, chunk = t / columns;
    if (chunk >= chunks) return;
    REAL sum = 0;
    for (index_t row = chunk; row < rows; row += chunks) sum += x[row * columns + column];
    sums[t] = sum;
}

// out (columns) += the sums (chunks, columns). One thread per column.
extern "C" __global__ void add_chunks(const REAL *sums, index_t columns, index_t chunks, REAL *out)
{
    const index_t column = THREAD;
    if (column >= columns) return;
    REAL sum = 0;
    for (index_t chunk = 0; chunk < chunks; ++chunk) sum += sums[chunk * columns + column];
    out[column] += sum;
}
