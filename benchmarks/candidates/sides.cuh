// The sides of the three products: where element (line i of the tile, k) of a factor lies in memory, and whether it
// does: what is outside is zero. Also where the lines of the results begin. The shape is known to the compiler: an
// image HEIGHT x WIDTH x CHANNELS, a map of ROWS x COLUMNS x FEATURES, and the kernel (KERNEL_H, KERNEL_W, CHANNELS,
// FEATURES) between them, at place (p, q) of which tap (u, v) sees pixel (p * STRIDE_H + u - PAD_H, q * STRIDE_W + v
// - PAD_W). Only the number of images is not.
//
// An axis of taps and channels is ordered as (chunk of channels, tap, channel within its chunk): neighbouring taps
// share most of their pixels, and with few channels at a time these are still in the L1 cache. Comparisons are
// unsigned: above or left of the image is a huge number.

struct Tap { index_t u, v, channel; };

__device__ Tap tap_of(index_t n, index_t high, index_t wide, index_t chunk)
{
    const index_t tap = n / chunk % (high * wide);
    return {tap / wide, tap % wide, n / (chunk * high * wide) * chunk + n % chunk};
}

#define TAPS (KERNEL_H * KERNEL_W)
#define PLACES (ROWS * COLUMNS)

__device__ Element pixel(index_t place, index_t u, index_t v, index_t channel)
{
    const index_t n = place / PLACES, y = place / COLUMNS % ROWS * STRIDE_H + u - PAD_H;
    const index_t x = place % COLUMNS * STRIDE_W + v - PAD_W;
    return {((n * HEIGHT + y) * WIDTH + x) * CHANNELS + channel, y < HEIGHT && x < WIDTH};
}

// correlate: map (place, o) = sum over (tap, c) of image (place, tap, c) * kernel (tap, c, o)

struct Patches {
    enum { LINES = TILE_M, WIDE = WIDE_IMAGE, ALONG_K = 1 };
    const float *memory;
    index_t first, places;
};

__device__ Element find(const Patches &side, index_t i, index_t k)
{
    const Tap tap = tap_of(k, KERNEL_H, KERNEL_W, CHUNK_OF_CHANNELS);
    const Element seen = pixel(side.first + i, tap.u, tap.v, tap.channel);
    return {seen.at, seen.inside && side.first + i < side.places && k < TAPS * CHANNELS};
}

struct Kernel {
    enum { LINES = TILE_N, WIDE = WIDE_MAP, ALONG_K = 0 };
    const float *memory;
    index_t first;
};

__device__ Element find(const Kernel &side, index_t i, index_t k)
{
    const Tap tap = tap_of(k, KERNEL_H, KERNEL_W, CHUNK_OF_CHANNELS);
    const index_t line = (tap.u * KERNEL_W + tap.v) * CHANNELS + tap.channel;
    return {line * FEATURES + side.first + i, side.first + i < FEATURES && k < TAPS * CHANNELS};
}

struct MapLines { index_t first, places, accumulate; };

__device__ Element line_of(const MapLines &out, index_t i)
{
    return {(out.first + i) * FEATURES, out.first + i < out.places};
}

// to_image, the adjoint: image (pixel, c) = sum over (tap that reaches the pixel, o) of map (place, o) * kernel (tap,
// c, o). Pixels of one phase, (y % STRIDE_H, x % STRIDE_W), are reached by the same taps, every STRIDE_Hth and
// STRIDE_Wth; so each phase is a product of its own, without zeros in it. Its n-th tap from above is u = NEAREST_H +
// n * STRIDE_H.

#define NEAR_H ((KERNEL_H + STRIDE_H - 1) / STRIDE_H)  // taps of a phase; the last may be beyond the kernel
#define NEAR_W ((KERNEL_W + STRIDE_W - 1) / STRIDE_W)
#define TALL ((HEIGHT + STRIDE_H - 1) / STRIDE_H)      // pixels of a phase; the last may be beyond the image
#define BROAD ((WIDTH + STRIDE_W - 1) / STRIDE_W)
#define NEAREST_H(phase) (((phase) / STRIDE_W + PAD_H) % STRIDE_H)
#define NEAREST_W(phase) (((phase) % STRIDE_W + PAD_W) % STRIDE_W)

struct Neighbours {
    enum { LINES = TILE_M, WIDE = WIDE_MAP, ALONG_K = 1 };
    const float *memory;
    index_t first, pixels, phase;
};

__device__ Element find(const Neighbours &side, index_t i, index_t k)
{
    const Tap tap = tap_of(k, NEAR_H, NEAR_W, CHUNK_OF_FEATURES);
    const index_t line = side.first + i, n = line / (TALL * BROAD);
    const index_t y = line / BROAD % TALL * STRIDE_H + side.phase / STRIDE_W;
    const index_t x = line % BROAD * STRIDE_W + side.phase % STRIDE_W;
    const index_t p = (y + PAD_H) / STRIDE_H - tap.u, q = (x + PAD_W) / STRIDE_W - tap.v;
    const bool inside = line < side.pixels && k < NEAR_H * NEAR_W * FEATURES && p < ROWS && q < COLUMNS;
    return {((n * ROWS + p) * COLUMNS + q) * FEATURES + tap.channel, inside};
}

struct KernelOfPhase {
    enum { LINES = TILE_N, WIDE = WIDE_MAP, ALONG_K = 1 };
    const float *memory;
    index_t first, phase;
};

__device__ Element find(const KernelOfPhase &side, index_t i, index_t k)
{
    const Tap tap = tap_of(k, NEAR_H, NEAR_W, CHUNK_OF_FEATURES);
    const index_t u = NEAREST_H(side.phase) + tap.u * STRIDE_H, v = NEAREST_W(side.phase) + tap.v * STRIDE_W;
    const bool whole = side.first + i < CHANNELS && k < NEAR_H * NEAR_W * FEATURES;
    const index_t line = (u * KERNEL_W + v) * CHANNELS + side.first + i;
    return {line * FEATURES + tap.channel, whole && u < KERNEL_H && v < KERNEL_W};
}

struct ImageLines { index_t first, pixels, phase, accumulate; };

__device__ Element line_of(const ImageLines &out, index_t i)
{
    const index_t line = out.first + i, n = line / (TALL * BROAD);
    const index_t y = line / BROAD % TALL * STRIDE_H + out.phase / STRIDE_W;
    const index_t x = line % BROAD * STRIDE_W + out.phase % STRIDE_W;
    return {((n * HEIGHT + y) * WIDTH + x) * CHANNELS, line < out.pixels && y < HEIGHT && x < WIDTH};
}

// to_kernel, the adjoint: kernel (tap, c, o) = sum over the places of image (place, tap, c) * map (place, o)

struct PatchesAcross {
    enum { LINES = TILE_M, WIDE = WIDE_IMAGE, ALONG_K = 0 };
    const float *memory;
    index_t first, places;
};

__device__ Element find(const PatchesAcross &side, index_t i, index_t k)
{
    const Tap tap = tap_of(side.first + i, KERNEL_H, KERNEL_W, CHUNK_OF_LINES);
    const Element seen = pixel(k, tap.u, tap.v, tap.channel);
    return {seen.at, seen.inside && side.first + i < TAPS * CHANNELS && k < side.places};
}

struct Map {
    enum { LINES = TILE_N, WIDE = WIDE_MAP, ALONG_K = 0 };
    const float *memory;
    index_t first, places;
};

__device__ Element find(const Map &side, index_t i, index_t k)
{
    return {k * FEATURES + side.first + i, side.first + i < FEATURES && k < side.places};
}

struct KernelLines { index_t first, accumulate; };

__device__ Element line_of(const KernelLines &out, index_t i)
{
    const Tap tap = tap_of(out.first + i, KERNEL_H, KERNEL_W, CHUNK_OF_LINES);
    return {((tap.u * KERNEL_W + tap.v) * CHANNELS + tap.channel) * FEATURES, out.first + i < TAPS * CHANNELS};
}
