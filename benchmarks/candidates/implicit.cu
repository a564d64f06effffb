// A convolution and both of its adjoints without patches in memory: see sides.cuh for the shapes' names.
//
// First each as its formula, a thread per element of the result. Then the same as products in tiles on tensor cores:
// tile.cuh is the product, sides.cuh says where its factors lie. All sums are taken in a fixed order, and there are
// no atomics.

extern "C" __global__ void plain_correlate(
    const REAL *__restrict__ image, const REAL *__restrict__ w, index_t count, REAL *__restrict__ map)
{
    const index_t t = THREAD, o = t % FEATURES;
    if (t >= count) return;
    REAL sum = 0;
    for (index_t u = 0; u < KERNEL_H; ++u)
        for (index_t v = 0; v < KERNEL_W; ++v) {
            const Element first = pixel(t / FEATURES, u, v, 0);
            const REAL *tap = w + (u * KERNEL_W + v) * CHANNELS * FEATURES + o;
            for (index_t c = 0; c < CHANNELS && first.inside; ++c) sum += image[first.at + c] * tap[c * FEATURES];
        }
    map[t] = sum;
}

extern "C" __global__ void plain_to_image(
    const REAL *__restrict__ map, const REAL *__restrict__ w, index_t count, REAL *__restrict__ image)
{
    const index_t t = THREAD, c = t % CHANNELS, x = t / CHANNELS % WIDTH, y = t / CHANNELS / WIDTH % HEIGHT;
    if (t >= count) return;
    REAL sum = 0;
    for (index_t u = 0; u < KERNEL_H; ++u)
        for (index_t v = 0; v < KERNEL_W; ++v) {
            // Tap (u, v) is on this pixel where the place is whole, and one that the kernel has.
            const index_t p = (y + PAD_H - u) / STRIDE_H, q = (x + PAD_W - v) / STRIDE_W;
            if (p * STRIDE_H + u != y + PAD_H || q * STRIDE_W + v != x + PAD_W || p >= ROWS || q >= COLUMNS) continue;
            const REAL *from = map + ((t / CHANNELS / WIDTH / HEIGHT * ROWS + p) * COLUMNS + q) * FEATURES;
            const REAL *tap = w + ((u * KERNEL_W + v) * CHANNELS + c) * FEATURES;
            for (index_t o = 0; o < FEATURES; ++o) sum += from[o] * tap[o];
        }
    image[t] = sum;
}

extern "C" __global__ void plain_to_kernel(
    const REAL *__restrict__ image, const REAL *__restrict__ map, index_t places, index_t count, REAL *__restrict__ w)
{
    const index_t t = THREAD, o = t % FEATURES, c = t / FEATURES % CHANNELS, tap = t / FEATURES / CHANNELS;
    if (t >= count) return;
    REAL sum = 0;
    for (index_t place = 0; place < places; ++place) {
        const Element seen = pixel(place, tap / KERNEL_W, tap % KERNEL_W, c);
        if (seen.inside) sum += image[seen.at] * map[place * FEATURES + o];
    }
    w[t] = sum;
}

// The blocks of a launch. The first `whole` have a tile each, all of k. The tiles that are left would keep only a
// part of the device busy; each is shared out among `parts` blocks, with `share` of k, whose sums go to `parts_of`,
// tile by tile and part by part, and are added up there by a second kernel. Tiles beside each other come first, since
// they share the larger factor.
struct Block { index_t line, column, phase, from, until; bool whole; };

__device__ Block block_of(index_t tile, index_t lines, index_t columns)
{
    const index_t across = (columns + TILE_N - 1) / TILE_N, down = (lines + TILE_M - 1) / TILE_M;
    return {tile / across % down * TILE_M, tile % across * TILE_N, tile / (across * down), 0, 0, true};
}

__device__ Block this_block(index_t lines, index_t columns, index_t inner, index_t whole, index_t parts, index_t share)
{
    const index_t left = blockIdx.x - whole, from = left % parts * share;
    if (blockIdx.x < whole) {
        Block block = block_of(blockIdx.x, lines, columns);
        block.until = inner;
        return block;
    }
    Block block = block_of(whole + left / parts, lines, columns);
    block.from = from, block.until = from + share < inner ? from + share : inner, block.whole = false;
    return block;
}

struct PartLines { index_t slot, accumulate; };

__device__ Element line_of(const PartLines &out, index_t i) { return {(out.slot * TILE_M + i) * TILE_N, true}; }

// Where a block's sums go: to their lines of the result, or to its slot among the parts.
template <class Out> __device__ void finish(const Sums &sums, const Block &block, const Out &out, index_t columns,
    index_t whole, const float *bias, float *parts_of, float *result)
{
    const PartLines part = {blockIdx.x - whole, 0};
    if (block.whole) store(sums, out, block.column, columns, bias, result);
    else store(sums, part, 0, TILE_N, 0, parts_of);
}

// One element of a tile that was shared out: the sum of its parts in their order, plus a bias, plus what was there.
template <class Out> __device__ void add_parts(const Block &block, const Out &out, index_t columns, index_t parts,
    const float *bias, const float *parts_of, float *result)
{
    const index_t element = THREAD % (TILE_M * TILE_N), column = block.column + element % TILE_N;
    const Element line = line_of(out, element / TILE_N);
    if (!line.inside || column >= columns) return;
    const float *first = parts_of + THREAD / (TILE_M * TILE_N) * parts * (TILE_M * TILE_N) + element;
    float sum = bias ? bias[column] : 0;
    for (index_t part = 0; part < parts; part += AHEAD) {
        float loaded[AHEAD];
        UNROLLED
        for (index_t n = 0; n < AHEAD; ++n) loaded[n] = part + n < parts ? first[(part + n) * (TILE_M * TILE_N)] : 0;
        UNROLLED
        for (index_t n = 0; n < AHEAD; ++n) sum += loaded[n];
    }
    result[line.at + column] = out.accumulate ? result[line.at + column] + sum : sum;
}

#define TILE_OF_THREAD (whole + THREAD / (TILE_M * TILE_N))

extern "C" __global__ void correlate_tiles(const REAL *__restrict__ image, const REAL *__restrict__ w, index_t images,
    index_t whole, index_t parts, index_t share, index_t add_bias, const REAL *__restrict__ bias,
    REAL *parts_of, REAL *map)
{
    const index_t places = images * PLACES;
    const Block block = this_block(places, FEATURES, TAPS * CHANNELS, whole, parts, share);
    const Patches a = {image, block.line, places};
    const Kernel b = {w, block.column};
    const MapLines out = {block.line, places, 0};
    Sums sums;
    product(a, b, block.from, block.until, sums);
    finish(sums, block, out, FEATURES, whole, add_bias ? bias : 0, parts_of, map);
}

extern "C" __global__ void correlate_parts(const REAL *__restrict__ parts_of, index_t images, index_t whole,
    index_t parts, index_t add_bias, const REAL *__restrict__ bias, REAL *map)
{
    const Block block = block_of(TILE_OF_THREAD, images * PLACES, FEATURES);
    const MapLines out = {block.line, images * PLACES, 0};
    add_parts(block, out, FEATURES, parts, add_bias ? bias : 0, parts_of, map);
}

extern "C" __global__ void to_image_tiles(const REAL *__restrict__ map, const REAL *__restrict__ w, index_t images,
    index_t whole, index_t parts, index_t share, index_t add_bias, const REAL *__restrict__ bias,
    REAL *parts_of, REAL *image)
{
    const index_t pixels = images * TALL * BROAD;
    const Block block = this_block(pixels, CHANNELS, NEAR_H * NEAR_W * FEATURES, whole, parts, share);
    const Neighbours a = {map, block.line, pixels, block.phase};
    const KernelOfPhase b = {w, block.column, block.phase};
    const ImageLines out = {block.line, pixels, block.phase, 0};
    Sums sums;
    product(a, b, block.from, block.until, sums);
    finish(sums, block, out, CHANNELS, whole, add_bias ? bias : 0, parts_of, image);
}

extern "C" __global__ void to_image_parts(const REAL *__restrict__ parts_of, index_t images, index_t whole,
    index_t parts, index_t add_bias, const REAL *__restrict__ bias, REAL *image)
{
    const Block block = block_of(TILE_OF_THREAD, images * TALL * BROAD, CHANNELS);
    const ImageLines out = {block.line, images * TALL * BROAD, block.phase, 0};
    add_parts(block, out, CHANNELS, parts, add_bias ? bias : 0, parts_of, image);
}

extern "C" __global__ void to_kernel_tiles(const REAL *__restrict__ image, const REAL *__restrict__ map, index_t images,
    index_t whole, index_t parts, index_t share, index_t accumulate, REAL *parts_of, REAL *w)
{
    const index_t places = images * PLACES;
    const Block block = this_block(TAPS * CHANNELS, FEATURES, places, whole, parts, share);
    const PatchesAcross a = {image, block.line, places};
    const Map b = {map, block.column, places};
    const KernelLines out = {block.line, accumulate};
    Sums sums;
    product(a, b, block.from, block.until, sums);
    finish(sums, block, out, FEATURES, whole, 0, parts_of, w);
}

extern "C" __global__ void to_kernel_parts(
    const REAL *__restrict__ parts_of, index_t whole, index_t parts, index_t accumulate, REAL *w)
{
    const Block block = block_of(TILE_OF_THREAD, TAPS * CHANNELS, FEATURES);
    const KernelLines out = {block.line, accumulate};
    add_parts(block, out, FEATURES, parts, 0, parts_of, w);
}
