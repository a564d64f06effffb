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
// without `add_...` that pointer is not used. A block has COLUMNS neighbouring columns, BLOCK / COLUMNS threads for each;
// their sums are added two by two.
#define COLUMNS 32
extern "C" __global__ void finish_sums(
    const REAL *__restrict__ x, index_t rows, index_t columns, index_t split,
    index_t add_first, REAL *first, index_t add_second, REAL *second, REAL *__restrict__ sums)
{
    __shared__ REAL parts[BLOCK];
    const index_t column = blockIdx.x * COLUMNS + threadIdx.x % COLUMNS;
    parts[threadIdx.x] = sum_of_rows(x, column < columns ? rows : 0, columns, column, threadIdx.x / COLUMNS,
                                     BLOCK / COLUMNS);
    for (index_t half = BLOCK / 2; half >= COLUMNS; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
    }
    if (threadIdx.x >= COLUMNS || column >= columns) return;
    const REAL sum = parts[threadIdx.x];
    sums[column] = sum;
    if (column < split && add_first) first[column] += sum;
    if (column >= split && add_second) second[column - split] += sum;
}
