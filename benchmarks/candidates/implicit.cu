// A convolution and both of its adjoints without patches in memory: see sides.cuh for the shapes' names.
//
// First each as its formula, a thread per element of the result. Then the same as products in tiles on tensor cores: tile.cuh
// is the product, sides.cuh says where its factors lie. All sums are taken in a fixed order, and there are no atomics.

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
            for (index_t o = 0; o < FEATURES; ++o) sum += from[o] * w[((u * KERNEL_W + v) * CHANNELS + c) * FEATURES + o];
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

// The blocks of a launch: tiles next to each other first, since they share the larger factor, then phases, then parts of k.
struct Block { index_t column, line, phase, part; };

__device__ Block this_block(index_t lines, index_t columns, index_t phases)
{
    const index_t across = (columns + TILE_N - 1) / TILE_N, down = (lines + TILE_M - 1) / TILE_M, b = blockIdx.x;
    return {b % across * TILE_N, b / across % down * TILE_M, b / (across * down) % phases, b / (across * down * phases)};
}

__device__ index_t end_of(index_t part, index_t share, index_t whole)
{
    return (part + 1) * share < whole ? (part + 1) * share : whole;
}

// Each adds up `share` of k. With more than one part `map` has one after the other, which `finish_parts` adds up.
extern "C" __global__ void correlate_tiles(const REAL *__restrict__ image, const REAL *__restrict__ w, index_t images,
    index_t share, index_t add_bias, const REAL *__restrict__ bias, REAL *__restrict__ map)
{
    const index_t places = images * PLACES;
    const Block block = this_block(places, FEATURES, 1);
    const Patches a = {image, block.line, places};
    const Kernel b = {w, block.column};
    Sums sums;
    product(a, b, block.part * share, end_of(block.part, share, TAPS * CHANNELS), sums);
    const MapLines out = {block.line, places, 0};
    store(sums, out, block.column, FEATURES, add_bias ? bias : 0, map + block.part * places * FEATURES);
}

extern "C" __global__ void to_image_tiles(const REAL *__restrict__ map, const REAL *__restrict__ w, index_t images,
    index_t share, index_t add_bias, const REAL *__restrict__ bias, REAL *__restrict__ image)
{
    const index_t pixels = images * TALL * BROAD;
    const Block block = this_block(pixels, CHANNELS, STRIDE_H * STRIDE_W);
    const Neighbours a = {map, block.line, pixels, block.phase};
    const KernelOfPhase b = {w, block.column, block.phase};
    Sums sums;
    product(a, b, block.part * share, end_of(block.part, share, NEAR_H * NEAR_W * FEATURES), sums);
    const ImageLines out = {block.line, pixels, block.phase, 0};
    REAL *part = image + block.part * images * HEIGHT * WIDTH * CHANNELS;
    store(sums, out, block.column, CHANNELS, add_bias ? bias : 0, part);
}

extern "C" __global__ void to_kernel_tiles(const REAL *__restrict__ image, const REAL *__restrict__ map, index_t images,
    index_t share, index_t accumulate, REAL *__restrict__ w)
{
    const Block block = this_block(TAPS * CHANNELS, FEATURES, 1);
    const PatchesAcross a = {image, block.line, images * PLACES};
    const Map b = {map, block.column, images * PLACES};
    Sums sums;
    product(a, b, block.part * share, end_of(block.part, share, images * PLACES), sums);
    const KernelLines out = {block.line, accumulate};
    store(sums, out, block.column, FEATURES, 0, w + block.part * TAPS * CHANNELS * FEATURES);
}

// out = the sum of the parts in their order, plus a bias per column, plus what was there. One thread per element.
extern "C" __global__ void finish_parts(const REAL *__restrict__ parts, index_t number, index_t columns, index_t add_bias,
    const REAL *bias, index_t accumulate, index_t count, REAL *out)
{
    const index_t t = THREAD;
    if (t >= count) return;
    REAL sum = add_bias ? bias[t % columns] : 0;
    for (index_t part = 0; part < number; ++part) sum += parts[part * count + t];
    out[t] = accumulate ? out[t] + sum : sum;
}
