// The adversarial losses on logits (count): see tinygan/ops/__init__.py. A loss and its gradient are one kernel.

__device__ REAL sigmoid_of(REAL x)
{
    return exp(x < 0 ? x : (REAL)0) / (1 + exp(-fabs(x)));
}

// A loss of one image with its gradient, for the mean over `count` images.
struct Loss { REAL value, gradient; };

// softplus(s * l), s = -1 for "real" and 1 for "generated".
__device__ Loss cross_entropy_of(REAL logit, index_t target, index_t count)
{
    const REAL s = target ? -1 : 1, z = s * logit;
    Loss loss = {(z < 0 ? (REAL)0 : z) + log1p(exp(-fabs(z))), s * sigmoid_of(z) / count};  // a NaN stays one
    return loss;
}

// (p - target)^2 with p = sigmoid(l) and q = 1 - p without cancellation.
__device__ Loss squares_of(REAL logit, index_t target, index_t count)
{
    const REAL p = sigmoid_of(logit), q = sigmoid_of(-logit), error = target ? -q : p;
    Loss loss = {error * error, 2 * error * p * q / count};
    return loss;
}

__device__ Loss loss_of(index_t squares, REAL logit, index_t target, index_t count)
{
    return squares ? squares_of(logit, target, count) : cross_entropy_of(logit, target, count);
}

// Add up `losses` terms per image in one block, BLOCK images at a time: one thread per loss, its terms in their order.
__device__ void add_in_order(const REAL terms[][BLOCK], index_t losses, index_t first, index_t count, REAL *sum)
{
    __syncthreads();
    if (threadIdx.x < losses)
        for (index_t k = 0; k < BLOCK && first + k < count; ++k) *sum += terms[threadIdx.x][k];
    __syncthreads();
}

// The mean of one loss over logits (count), and its gradient. One block.
extern "C" __global__ void mean_loss(
    const REAL *logits, index_t squares, index_t target, index_t count, REAL *dlogits, REAL *mean)
{
    __shared__ REAL terms[1][BLOCK];
    REAL sum = 0;
    for (index_t first = 0; first < count; first += BLOCK) {
        const index_t i = first + threadIdx.x;
        if (i < count) {
            const Loss loss = loss_of(squares, logits[i], target, count);
            terms[0][threadIdx.x] = loss.value;
            dlogits[i] = loss.gradient;
        }
        add_in_order(terms, 1, first, count, &sum);
    }
    if (threadIdx.x == 0) *mean = sum / count;
}

// The three losses of one batch, logits (2 * count) of generated and real images, and what D's backward pass starts
// from: see training/one_chain.py. means: d_real, d_fake, g. One block.
extern "C" __global__ void chain_losses(
    const REAL *logits, index_t squares, REAL share, REAL floor, index_t count, REAL *seed, REAL *ratio, REAL *means)
{
    __shared__ REAL terms[3][BLOCK];
    REAL sum = 0;
    for (index_t first = 0; first < count; first += BLOCK) {
        const index_t i = first + threadIdx.x;
        if (i < count) {
            const Loss d_real = loss_of(squares, logits[count + i], 1, count);
            const Loss d_fake = loss_of(squares, logits[i], 0, count), g = loss_of(squares, logits[i], 1, count);
            terms[0][threadIdx.x] = d_real.value;
            terms[1][threadIdx.x] = d_fake.value;
            terms[2][threadIdx.x] = g.value;
            const REAL gradient = share * d_fake.gradient, start = gradient < floor ? floor : gradient;
            seed[i] = start;
            seed[count + i] = share * d_real.gradient;
            ratio[i] = share * g.gradient / start;
        }
        add_in_order(terms, 3, first, count, &sum);
    }
    if (threadIdx.x < 3) means[threadIdx.x] = share * (sum / count);
}

// A row (d_real, d_fake, g) of the log. One thread.
extern "C" __global__ void record_losses(
    const REAL *d_real, const REAL *d_fake, const REAL *g, const long long *row, REAL *rows)
{
    if (THREAD > 0) return;
    REAL *to = rows + 3 * *row;
    to[0] = *d_real;
    to[1] = *d_fake;
    to[2] = *g;
}
