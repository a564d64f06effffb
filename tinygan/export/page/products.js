// The operations with a weight, each a matrix product: linear, convolution, transposed convolution. See operations.js.
"use strict";

/** y[m,n] = Σ a[m,k]·b[n,k] over k, (M, K), (N, K) -> (M, N): rows with rows, both read in order. Most time is spent here. */
function matmul(a, b, M, N, K) {
  const y = new Float32Array(M * N);
  const wholeM = M - (M % 2), wholeN = N - (N % 4);
  for (let n = 0; n < wholeN; n += 4) {
    const b0 = n * K, b1 = b0 + K, b2 = b1 + K, b3 = b2 + K;
    for (let m = 0; m < wholeM; m += 2) {
      const a0 = m * K, a1 = a0 + K;
      let s00 = 0, s01 = 0, s02 = 0, s03 = 0, s10 = 0, s11 = 0, s12 = 0, s13 = 0;
      for (let k = 0; k < K; k++) {
        const p = a[a0 + k], q = a[a1 + k];
        const w0 = b[b0 + k], w1 = b[b1 + k], w2 = b[b2 + k], w3 = b[b3 + k];
        s00 += p * w0; s01 += p * w1; s02 += p * w2; s03 += p * w3;
        s10 += q * w0; s11 += q * w1; s12 += q * w2; s13 += q * w3;
      }
      const y0 = m * N + n, y1 = y0 + N;
      y[y0] = s00; y[y0 + 1] = s01; y[y0 + 2] = s02; y[y0 + 3] = s03;
      y[y1] = s10; y[y1 + 1] = s11; y[y1 + 2] = s12; y[y1 + 3] = s13;
    }
  }
  for (let m = 0; m < M; m++) {
    for (let n = m < wholeM ? wholeN : 0; n < N; n++) { // what the blocks of 2×4 left
      let sum = 0;
      for (let k = 0; k < K; k++) sum += a[m * K + k] * b[n * K + k];
      y[m * N + n] = sum;
    }
  }
  return y;
}

/** The transpose of a (rows, columns) array, made once for each array. */
function transposed(w, rows, columns) {
  if (!transposed.made.has(w)) {
    const other = new Float32Array(w.length);
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) other[c * rows + r] = w[r * columns + c];
    transposed.made.set(w, other);
  }
  return transposed.made.get(w);
}
transposed.made = new WeakMap();

/** y + b, in place: b (C,) to every C values. */
function addBias(y, b) {
  for (let k = 0; k < y.length; k += b.length) for (let c = 0; c < b.length; c++) y[k + c] += b[c];
  return y;
}

/** y = x·w + b, w (C_in, C_out); dx = dy·wᵀ. */
function linear(x, { w, b }) {
  const K = x.values.length, N = b.length;
  const y = addBias(matmul(x.values, transposed(w, K, N), 1, N, K), b);
  return [{ shape: [N], values: y }, (dy) => [{ shape: x.shape, values: matmul(dy.values, w, 1, K, N) }]];
}

/** The image (H, W, C) from its patches (h·w, kh·kw·C): overlapping values are added. */
function fold(patches, window, [h, w], [H, W, C]) {
  const image = new Float32Array(H * W * C);
  forEachTap(window, [h, w], [H, W, C], (patch, pixel) => {
    for (let c = 0; c < C; c++) image[pixel + c] += patches[patch + c];
  });
  return image;
}

/** The patches of an image as rows (h·w, kh·kw·C), zeros outside of it: the adjoint of fold. */
function unfold(image, window, [h, w], [H, W, C]) {
  const patches = new Float32Array(h * w * window.kernel[0] * window.kernel[1] * C);
  forEachTap(window, [h, w], [H, W, C], (patch, pixel) => {
    for (let c = 0; c < C; c++) patches[patch + c] = image[pixel + c];
  });
  return patches;
}

/** For every tap of every patch that lies in the image: where its channels begin in the patches and in the image. */
function forEachTap({ kernel: [kh, kw], stride, pad }, [h, w], [H, W, C], visit) {
  let patch = 0;
  for (let i = 0; i < h; i++) for (let j = 0; j < w; j++) {
    for (let u = 0; u < kh; u++) for (let v = 0; v < kw; v++, patch += C) {
      const row = i * stride[0] + u - pad[0], column = j * stride[1] + v - pad[1];
      if (row >= 0 && row < H && column >= 0 && column < W) visit(patch, (row * W + column) * C);
    }
  }
}

/** y = U(x)·w + b with the patches U of x, w (kh, kw, C_in, C_out); dx = Uᵀ(dy·wᵀ). */
function correlate(x, { w, b }, { kernel, stride, pad }) {
  const [H, W, C] = x.shape, K = b.length, taps = kernel[0] * kernel[1] * C, window = { kernel, stride, pad };
  const size = [H, W].map((side, axis) => Math.floor((side + 2 * pad[axis] - kernel[axis]) / stride[axis]) + 1);
  const P = size[0] * size[1], patches = unfold(x.values, window, size, x.shape);
  const y = addBias(matmul(patches, transposed(w, taps, K), P, K, taps), b);
  const backward = (dy) => {
    return [{ shape: x.shape, values: fold(matmul(dy.values, w, P, taps, K), window, size, x.shape) }];
  };
  return [{ shape: [...size, K], values: y }, backward];
}

/** y = Uᵀ(x·wᵀ) + b with the patches U of y, w (kh, kw, C_out, C_in); dx = U(dy)·w. */
function correlate_transpose(x, { w, b }, { kernel, stride, pad }) {
  const [h, width, K] = x.shape, C = b.length, taps = kernel[0] * kernel[1] * C;
  const H = (h - 1) * stride[0] + kernel[0] - 2 * pad[0], W = (width - 1) * stride[1] + kernel[1] - 2 * pad[1];
  const window = { kernel, stride, pad }, P = h * width;
  const y = addBias(fold(matmul(x.values, w, P, taps, K), window, [h, width], [H, W, C]), b);
  const backward = (dy) => {
    const patches = unfold(dy.values, window, [h, width], [H, W, C]);
    return [{ shape: x.shape, values: matmul(patches, transposed(w, taps, K), P, K, taps) }];
  };
  return [{ shape: [H, W, C], values: y }, backward];
}
