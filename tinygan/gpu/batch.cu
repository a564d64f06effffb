// Images of a batch out of a data set of bytes: out[b] = images[indices[b]] / 255. One thread per value of out.
// The data set may hold more values than 32 bits count: its offset is computed with 64.
extern "C" __global__ void gather_images(
    const unsigned char *images, const long long *indices, index_t values_per_image, index_t count, REAL *out)
{
    const index_t i = THREAD;
    if (i >= count) return;
    const long long image = indices[i / values_per_image];
    out[i] = (REAL)images[image * values_per_image + i % values_per_image] / 255;
}
