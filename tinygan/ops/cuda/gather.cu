// Images of a batch out of a data set of bytes (M, H, W, 3): windows of h x w pixels, mirrored or not, as REAL in [0, 1].
// places (B, 4) holds for each image: its row in the data set, the window's top and left, whether it is mirrored.
// SET_HEIGHT, SET_WIDTH (H, W) and HEIGHT, WIDTH (h, w) are known to the compiler, as in patches.cu.
// One thread per value of out. The data set may hold more values than 32 bits count: its offset has 64.
extern "C" __global__ void gather_images(
    const unsigned char *images, const long long *places, index_t count, REAL *out)
{
    const index_t i = THREAD;
    if (i >= count) return;
    index_t rest = i / 3;
    const index_t x = rest % WIDTH; rest /= WIDTH;
    const index_t y = rest % HEIGHT;
    const long long *place = places + 4 * (rest / HEIGHT);
    const long long row = place[1] + y, column = place[2] + (place[3] ? WIDTH - 1 - x : x);
    out[i] = (REAL)images[((place[0] * SET_HEIGHT + row) * SET_WIDTH + column) * 3 + i % 3] / 255;
}
