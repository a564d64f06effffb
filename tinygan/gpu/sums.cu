// Sums over the rows of x (rows, columns), as a tree: every thread adds up a fixed set of rows, in a fixed order, and
// the next launch adds up those sums. No atomics: the result is the same from run to run.

// One thread per column and chunk; a chunk is every chunks-th row, so that neighbouring threads read neighbours.
extern "C" __global__ void column_sums(
    const REAL *__restrict__ x, index_t rows, index_t columns, index_t chunks, REAL *__restrict__ sums)
{
    const index_t t = THREAD, column = t % columns, chunk = t / columns;
    if (chunk >= chunks) return;
    REAL sum = 0;
    for (index_t row = chunk; row < rows; row += chunks) sum += x[row * columns + column];
    sums[t] = sum;
}

// out (count) += the sums over the chunks of the columns first, first + 1, ... of sums. One thread per column.
extern "C" __global__ void add_chunks(
    const REAL *__restrict__ sums, index_t columns, index_t chunks, index_t first, index_t count,
    REAL *__restrict__ out)
{
    const index_t i = THREAD;
    if (i >= count) return;
    REAL sum = 0;
    for (index_t chunk = 0; chunk < chunks; ++chunk) sum += sums[chunk * columns + first + i];
    out[i] += sum;
}
