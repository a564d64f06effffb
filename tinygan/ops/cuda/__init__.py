"""What only a CUDA device needs: fused kernels, matrix products that can be captured, and the captured step.

Nothing here is needed to follow a gradient: each kernel has a plain array version, which is what the CPU runs and what
the tests compare with. A kernel's CUDA source lies beside the Python file that calls it.

    launch.py                                     sources compiled, threads counted, arguments checked
    sums.py rectifier.py sigmoid.py standardise.py unit_norm.py losses.py rmsprop.py patches.py batch.py      kernels
    cublas.py products.py correlation.py          cuBLAS by ctypes, row-major products with it, convolutions with those
    graph.py inputs.py                            work captured once and replayed; what each replay is given

CuPy is imported when a function runs, not before.
"""
