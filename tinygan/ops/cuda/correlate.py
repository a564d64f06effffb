"""The correlation on the GPU: patches and their adjoint by kernels, the products by cuBLAS."""

from tinygan.array import Array
from tinygan.ops.cuda.matmul import matmul
from tinygan.ops.cuda.patches import fold, unfold
from tinygan.ops.patches import PatchCorrelation


class CorrelationOnGpu(PatchCorrelation):
    """The methods of :class:`~tinygan.ops.patches.PatchCorrelation` that compute something."""

    def image(self, x: Array) -> Array:
        """a = the patches of x (N, H, W, C) as rows, (N·H'·W', kh·kw·C); a view where they are rows already."""
        if self._whole_map():
            return x.reshape(len(x), -1)
        return unfold(x, *self.window, self.map_shape[1:3])

    def to_map(self, a: Array, u: Array, b: Array | None = None) -> Array:
        """Dᵀ(a·u), a new array (N, H', W', K); plus b (K), if given."""
        y = matmul(a, u)
        if b is not None:
            y += b
        return y.reshape(self.map_shape)

    def to_image(self, d: Array, u: Array, b: Array | None = None) -> Array:
        """Aᵀ(d·uᵀ), a new array (N, H, W, C); plus b (C), if given."""
        patches = matmul(d, u, transpose_b=True)
        if self._whole_map():
            x = patches.reshape(self.image_shape)
        else:
            x = fold(patches, *self.window, self.map_shape[1:3], self.image_shape)
        if b is not None:
            x += b
        return x

    def to_kernel(self, a: Array, d: Array) -> Array:
        """Bᵀ(aᵀ·d), a new array (kh, kw, C, K)."""
        return matmul(a, d, transpose_a=True).reshape(self.kernel_shape)

    def _whole_map(self) -> bool:
        """Whether the kernel covers the whole image, as in the discriminator's last layer."""
        return self.window.kernel == self.image_shape[1:3] and self.window.pad == (0, 0)
