// A tile of a matrix product, TILE_M x TILE_N, by a block of warps, WARP x WARP each, as a loop over slices of STEP
// along the inner axis k:
//
//     wait for slice s  |  start copying slice s + 1 into the other half of shared memory  |  multiply slice s
//
// Neither factor need be in memory as a matrix. A side of the product says where its element (line, k) lies, or that
// it is zero: find(), in sides.cuh. So the patches of an image are made on their way to shared memory, and nowhere
// else.
//
// A slice is copied in the direction in which global memory has neighbours, which may be k or the lines, and lies in
// shared memory in that order. There the 32 elements that a warp's lanes read at once (8 lines at 4 places along k)
// would be in the same few of the 32 banks; so groups of neighbours change places, by the bits of the other index:
//
//     ALONG_K    line i has its 4 groups of 4 along k in the order  group ^ (i / 2 % 4)
//     else       place k has its lines in the order                 i ^ 8 * (k % 4)

#define STEP 16
#define WARPS_ACROSS (TILE_N / WARP)
#define THREADS (TILE_M / WARP * WARPS_ACROSS * 32)
#define PRODUCTS_M (WARP / 16)  // of a warp, each 16 x 8
#define PRODUCTS_N (WARP / 8)

struct Element { index_t at; bool inside; };  // where a side has its element, if it is not zero

typedef float Sums[PRODUCTS_M][PRODUCTS_N][4];

alignas(16) __shared__ float slices_a[2][TILE_M * STEP], slices_b[2][TILE_N * STEP];

template <class Side> __device__ index_t in_slice(index_t i, index_t k)
{
    return Side::ALONG_K ? i * STEP + (k ^ i / 2 % 4 * 4) : k * Side::LINES + (i ^ k % 4 * 8);
}

// Copy elements (0 to LINES, from to from + STEP) of a side, WIDE neighbours at once.
template <class Side> __device__ void fetch(const Side &side, index_t from, float *slice)
{
    const index_t across = (Side::ALONG_K ? STEP : Side::LINES) / Side::WIDE;
    UNROLLED
    for (index_t n = 0; n < Side::LINES * STEP / Side::WIDE / THREADS; ++n) {
        const index_t copy = n * THREADS + threadIdx.x, one = copy % across * Side::WIDE, other = copy / across;
        const index_t i = Side::ALONG_K ? other : one, k = Side::ALONG_K ? one : other;
        const Element element = find(side, i, from + k);
        copy_later<Side::WIDE>(slice + in_slice<Side>(i, k), side.memory + element.at, element.inside);
    }
}

// Where the warp's part of the tile begins.
__device__ index_t first_line() { return threadIdx.x / 32 / WARPS_ACROSS * WARP; }
__device__ index_t first_column() { return threadIdx.x / 32 % WARPS_ACROSS * WARP; }

// A lane's elements of a slice: line first + group + 8 * o at place member + 4 * q along k. in_slice() of that is a
// sum of one of four numbers that depend on the lane, the corners, and of a constant; so the loop over slices
// computes no addresses.
template <class Side> __device__ void find_corners(index_t first, const float *(&corners)[4], const float *slice)
{
    const index_t group = GROUP_OF(threadIdx.x % 32), member = MEMBER_OF(threadIdx.x % 32);
    UNROLLED
    for (index_t n = 0; n < 4; ++n)
        corners[n] = slice + (Side::ALONG_K ? in_slice<Side>(first + group, member + 4 * n)
                                            : in_slice<Side>(first + group + 8 * n, member));
}

template <class Side> __device__ float of_slice(const float *const (&corners)[4], index_t o, index_t q)
{
    return Side::ALONG_K ? corners[q][8 * o * STEP] : corners[o % 4][o / 4 * 32 + 4 * q * Side::LINES];
}

// Add the product of two slices to the warp's sums.
template <class A, class B>
__device__ void multiply(const float *const (&corners_a)[4], const float *const (&corners_b)[4], Sums &sums)
{
    UNROLLED
    for (index_t q = 0; q < STEP / 4; q += 2) {
        unsigned int a[PRODUCTS_M][4], b[PRODUCTS_N][2];
        UNROLLED
        for (index_t m = 0; m < PRODUCTS_M; ++m)
            UNROLLED
            for (index_t r = 0; r < 4; ++r) a[m][r] = rounded(of_slice<A>(corners_a, 2 * m + r % 2, q + r / 2));
        UNROLLED
        for (index_t n = 0; n < PRODUCTS_N; ++n)
            UNROLLED
            for (index_t r = 0; r < 2; ++r) b[n][r] = rounded(of_slice<B>(corners_b, n, q + r));
        UNROLLED
        for (index_t m = 0; m < PRODUCTS_M; ++m)
            UNROLLED
            for (index_t n = 0; n < PRODUCTS_N; ++n) multiply_add(sums[m][n], a[m], b[n]);
    }
}

// sums = side a times side b, over k from `from` to `until`. One barrier per slice: behind it the slice that was
// waited for has arrived for all threads, and none is still reading the half that the next one goes to.
template <class A, class B> __device__ void product(const A &a, const B &b, index_t from, index_t until, Sums &sums)
{
    UNROLLED
    for (index_t n = 0; n < PRODUCTS_M * PRODUCTS_N * 4; ++n) (&sums[0][0][0])[n] = 0;
    fetch(a, from, slices_a[0]);
    fetch(b, from, slices_b[0]);
    for (index_t k = from, half = 0; k < until; k += STEP, half ^= 1) {
        const float *corners_a[4], *corners_b[4];
        find_corners<A>(first_line(), corners_a, slices_a[half]);
        find_corners<B>(first_column(), corners_b, slices_b[half]);
        wait_for_copies();
        __syncthreads();
        if (k + STEP < until) {
            fetch(a, k + STEP, slices_a[half ^ 1]);
            fetch(b, k + STEP, slices_b[half ^ 1]);
        }
        multiply<A, B>(corners_a, corners_b, sums);
    }
}

// Write the tile, plus a bias per column. `out` says where each line begins: line_of(), in sides.cuh. PAIRS: the two
// columns of a lane are neighbours and can be written at once.
template <class Out>
__device__ void store(
    const Sums &sums, const Out &out, index_t first, index_t columns, const float *bias, float *memory)
{
    struct __align__(8) Pair { float x, y; };
    UNROLLED
    for (index_t m = 0; m < PRODUCTS_M; ++m)
        UNROLLED
        for (index_t lower = 0; lower < 2; ++lower) {
            const Element begin = line_of(out, first_line() + GROUP_OF(threadIdx.x % 32) + 16 * m + 8 * lower);
            UNROLLED
            for (index_t n = 0; n < PRODUCTS_N; ++n) {
                const index_t column = first + first_column() + 8 * n + 2 * MEMBER_OF(threadIdx.x % 32);
                if (!begin.inside || column >= columns) continue;
                const bool both = column + 1 < columns;
                Pair value = {sums[m][n][2 * lower], sums[m][n][2 * lower + 1]};
                if (bias) value.x += bias[column], value.y += both ? bias[column + 1] : 0;
                float *to = memory + begin.at + column;
                if (out.accumulate) value.x += to[0], value.y += both ? to[1] : 0;
                if (PAIRS) *(Pair *)to = value;
                else {
                    to[0] = value.x;
                    if (both) to[1] = value.y;
                }
            }
        }
}
