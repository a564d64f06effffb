// Patches of images (N, H, W, C) as rows, and the adjoint: see ops/reference.py. P x Q: places of the kernel.

// patches (N * P * Q, kh * kw * C). One thread per value; the kernel may reach beyond the image, which is 0 there.
extern "C" __global__ void unfold(
    const REAL *image, index_t H, index_t W, index_t C, index_t kh, index_t kw, index_t sh, index_t sw,
    index_t ph, index_t pw, index_t P, index_t Q, index_t count, REAL *patches)
{
    const index_t t = THREAD;
    if (t >= count) return;
    index_t rest = t;
    const index_t c = rest % C; rest /= C;
    const index_t v = rest % kw; rest /= kw;
    const index_t u = rest % kh; rest /= kh;
    const index_t q = rest % Q; rest /= Q;
    const index_t p = rest % P, n = rest / P;
    // Unsigned: above or left of the image is a huge number, so one comparison is enough.
    const index_t y = p * sh + u - ph, x = q * sw + v - pw;
    patches[t] = y < H && x < W ? image[((n * H + y) * W + x) * C + c] : (REAL)0;
}

// image = the sum of what the patches that reach each pixel hold for it. One thread per value of the image, which
// gathers: nothing is scattered, so no atomics. Place p sees row y of the padded image with tap y - p * sh.
extern "C" __global__ void fold(
    const REAL *patches, index_t H, index_t W, index_t C, index_t kh, index_t kw, index_t sh, index_t sw,
    index_t ph, index_t pw, index_t P, index_t Q, index_t count, REAL *image)
{
    const index_t t = THREAD;
    if (t >= count) return;
    index_t rest = t;
    const index_t c = rest % C; rest /= C;
    const index_t x = rest % W + pw; rest /= W;
    const index_t y = rest % H + ph, n = rest / H;
    const index_t first_p = y < kh ? 0 : (y - kh) / sh + 1, first_q = x < kw ? 0 : (x - kw) / sw + 1;
    REAL sum = 0;
    for (index_t p = first_p; p < P && p * sh <= y; ++p)
        for (index_t q = first_q; q < Q && q * sw <= x; ++q)
            sum += patches[(((n * P + p) * Q + q) * kh + y - p * sh) * kw * C + (x - q * sw) * C + c];
    image[t] = sum;
}
