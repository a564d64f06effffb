// Sums over the rows of x (rows, columns), level by level: every thread adds up a fixed set of rows, in a fixed order.
// No atomics: the result is the same from run to run.

// The sum of one column over row = first, first + step, ...
__device__ REAL sum_of_rows(const REAL *__restrict__ x, index_t rows, index_t columns, index_t column, index_t first,
                            index_t step)
{
    REAL sum = 0;
    for (index_t row = first; row < rows; row += AHEAD * step) {
        REAL next[AHEAD];
        for (index_t k = 0; k < AHEAD; ++k) {
            const index_t r = row + k * step;
            next[k] = r < rows ? x[r * columns + column] : (REAL)0;
        }
        for (index_t k = 0; k < AHEAD; ++k) sum += next[k];
    }
    return sum;
}

// One thread per column and chunk; a chunk is every chunks-th row, so that neighbouring threads read neighbours.
extern "C" __global__ void column_sums(
    const REAL *__restrict__ x, index_t rows, index_t columns, index_t chunks, REAL *__restrict__ sums)
{
    const index_t t = THREAD, column = t % columns, chunk = t / columns;
    if (chunk < chunks) sums[t] = sum_of_rows(x, rows, columns, column, chunk, chunks);
}

// The last level. The sums of the first `split` columns are also added to `first`, those of the others to `second`;
// without `add_...` that pointer is not used. One thread per column.
extern "C" __global__ void finish_sums(
    const REAL *__restrict__ x, index_t rows, index_t columns, index_t split,
    index_t add_first, REAL *first, index_t add_second, REAL *second, REAL *__restrict__ sums)
{
    const index_t column = THREAD;
    if (column >= columns) return;
    const REAL sum = sum_of_rows(x, rows, columns, column, 0, 1);
    sums[column] = sum;
    if (column < split && add_first) first[column] += sum;
    if (column >= split && add_second) second[column - split] += sum;
}
