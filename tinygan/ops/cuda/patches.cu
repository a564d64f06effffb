// Patches of images (N, H, W, C) as rows, and the adjoint: see ops/reference.py.
//
// The shape is known to the compiler, which turns divisions by it into multiplications: HEIGHT, WIDTH, CHANNELS of the
// image, KERNEL_H, KERNEL_W, STRIDE_H, STRIDE_W, PAD_H, PAD_W, and ROWS x COLUMNS, the places that the kernel has. They
// are -D options that launch.py gives; the number of images is not among them.
//
// A thread has WIDE neighbouring channels, read at once: 4 where that divides them, else 1.

struct __align__(WIDE == 1 ? sizeof(REAL) : 16) Group { REAL values[WIDE]; };
#define GROUPS (CHANNELS / WIDE)

// patches (N * ROWS * COLUMNS, KERNEL_H * KERNEL_W * CHANNELS). One thread per group of values, `count` of them; the
// kernel may reach beyond the image, which is 0 there.
extern "C" __global__ void unfold(const REAL *__restrict__ image, index_t count, REAL *__restrict__ patches)
{
    const index_t t = THREAD;
    if (t >= count) return;
    index_t rest = t;
    const index_t c = rest % GROUPS; rest /= GROUPS;
    const index_t v = rest % KERNEL_W; rest /= KERNEL_W;
    const index_t u = rest % KERNEL_H; rest /= KERNEL_H;
    const index_t q = rest % COLUMNS; rest /= COLUMNS;
    const index_t p = rest % ROWS, n = rest / ROWS;
    // Unsigned: above or left of the image is a huge number, so one comparison is enough.
    const index_t y = p * STRIDE_H + u - PAD_H, x = q * STRIDE_W + v - PAD_W;
    Group value = {};
    if (y < HEIGHT && x < WIDTH) value = ((const Group *)image)[((n * HEIGHT + y) * WIDTH + x) * GROUPS + c];
    ((Group *)patches)[t] = value;
}

// image = the sum of what the patches that reach each pixel hold for it, plus a bias per channel. One thread per group
// of the image's values, which gathers: nothing is scattered, so no atomics. Place p sees row y of the padded image with
// tap y - p * STRIDE_H.
extern "C" __global__ void fold(
    const REAL *__restrict__ patches, index_t add_bias, const REAL *bias, index_t count, REAL *__restrict__ image)
{
    const index_t t = THREAD;
    if (t >= count) return;
    index_t rest = t;
    const index_t c = rest % GROUPS; rest /= GROUPS;
    const index_t x = rest % WIDTH + PAD_W; rest /= WIDTH;
    const index_t y = rest % HEIGHT + PAD_H, n = rest / HEIGHT;
    const index_t first_p = y < KERNEL_H ? 0 : (y - KERNEL_H) / STRIDE_H + 1;
    const index_t first_q = x < KERNEL_W ? 0 : (x - KERNEL_W) / STRIDE_W + 1;
    Group sum = {};
    // All places that may reach a pixel, so that the compiler knows the number of rounds.
    for (index_t i = 0; i * STRIDE_H < KERNEL_H; ++i)
        for (index_t j = 0; j * STRIDE_W < KERNEL_W; ++j) {
            const index_t p = first_p + i, q = first_q + j, u = y - p * STRIDE_H, v = x - q * STRIDE_W;
            const index_t row = ((n * ROWS + p) * COLUMNS + q) * KERNEL_H * KERNEL_W;
            Group value = {};
            if (p < ROWS && q < COLUMNS && u < KERNEL_H && v < KERNEL_W)
                value = ((const Group *)patches)[(row + u * KERNEL_W + v) * GROUPS + c];
            for (index_t k = 0; k < WIDE; ++k) sum.values[k] += value.values[k];
        }
    for (index_t k = 0; k < WIDE; ++k) sum.values[k] += add_bias ? bias[c * WIDE + k] : (REAL)0;
    ((Group *)image)[t] = sum;
}
