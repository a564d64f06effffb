// Images of a batch out of a data set of bytes (M, H, W, 3): windows of h x w pixels, mirrored or not, as REAL in [0, 1].
// places (B, 4) holds for each image: its row in the data set, the window's top and left, whether it is mirrored.
// One thread per value of out. The data set may hold more values than 32 bits count: its offset has 64.
extern "C" __global__ void gather_images(
    const unsigned char *images, const long long *places, index_t H, index_t W, index_t h, index_t w,
    index_t count, REAL *out)
{
    const index_t i = THREAD;
    if (i >= count) return;
    index_t rest = i / 3;
    const index_t x = rest % w; rest /= w;
    const index_t y = rest % h;
    const long long *place = places + 4 * (rest / h);
    const long long row = place[1] + y, column = place[2] + (place[3] ? w - 1 - x : x);
    out[i] = (REAL)images[((place[0] * H + row) * W + column) * 3 + i % 3] / 255;
}
