// y = 1 / (1 + exp(-x)) as exp(min(x, 0)) / (1 + exp(-|x|)), and its gradient. One thread per element.

extern "C" __global__ void sigmoid_forward(const REAL *x, index_t count, REAL *y)
{
    const index_t i = THREAD;
    if (i >= count) return;
    y[i] = exp(x[i] < 0 ? x[i] : (REAL)0) / (1 + exp(-fabs(x[i])));
}

extern "C" __global__ void sigmoid_backward(const REAL *y, const REAL *dy, index_t count, REAL *dx)
{
    const index_t i = THREAD;
    if (i >= count) return;
    dx[i] = dy[i] * (y[i] * (1 - y[i]));
}
