// The generator's operations with their backward passes, as in tinygan/ops/reference.py and under the same names.
//
// A map is {shape, values}: the values of one image, a Float32Array in the order (H, W, C). An operation takes its maps,
// its arrays and its settings and returns [y, backward]; backward(dy) returns one gradient for each map it was given.
"use strict";

/** The same values in another shape. */
function reshape(x, arrays, { shape }) {
  return [{ shape, values: x.values }, (dy) => [{ shape: x.shape, values: dy.values }]];
}

/** y = scale·x + shift, one of each per channel; dx = scale·dy. */
function scale_shift(x, { scale, shift }) {
  const C = scale.length;
  const dx = (dy) => [{ shape: x.shape, values: dy.values.map((value, k) => scale[k % C] * value) }];
  return [{ shape: x.shape, values: x.values.map((value, k) => scale[k % C] * value + shift[k % C]) }, dx];
}

/** y = x where x ≥ shift, else shift + slope·(x − shift); dx = dy above the shift, slope·dy below. */
function rectify(x, { slope, shift }) {
  const C = slope.length, y = new Float32Array(x.values.length);
  for (let k = 0, c = 0; k < y.length; k++, c = c + 1 === C ? 0 : c + 1) {
    const value = x.values[k];
    y[k] = value >= shift[c] ? value : shift[c] + slope[c] * (value - shift[c]);
  }
  const backward = (dy) => {
    const dx = new Float32Array(y.length);
    for (let k = 0, c = 0; k < y.length; k++, c = c + 1 === C ? 0 : c + 1) {
      dx[k] = x.values[k] >= shift[c] ? dy.values[k] : slope[c] * dy.values[k];
    }
    return [{ shape: x.shape, values: dx }];
  };
  return [{ shape: x.shape, values: y }, backward];
}

/** y = 1/(1 + e⁻ˣ); dx = dy·y·(1 − y). */
function sigmoid(x) {
  const y = x.values.map((value) => 1 / (1 + Math.exp(-value)));
  return [{ shape: x.shape, values: y }, (dy) => [{ shape: x.shape, values: dy.values.map((d, k) => d * y[k] * (1 - y[k])) }]];
}

/** y = tanh x; dx = dy·(1 − y²). */
function tanh(x) {
  const y = x.values.map(Math.tanh);
  return [{ shape: x.shape, values: y }, (dy) => [{ shape: x.shape, values: dy.values.map((d, k) => d * (1 - y[k] ** 2)) }]];
}

/** y = v1·x1 + v2·x2, one of each per channel; each map's gradient is its factor times dy. */
function add(x1, x2, { v1, v2 }) {
  const C = v1.length;
  const values = x1.values.map((value, k) => v1[k % C] * value + v2[k % C] * x2.values[k]);
  const times = (v, dy) => ({ shape: x1.shape, values: dy.values.map((d, k) => v[k % C] * d) });
  return [{ shape: x1.shape, values }, (dy) => [times(v1, dy), times(v2, dy)]];
}

/** Every pixel four times; dx = the sum over each block of 2×2. */
function nearest_double(x) {
  return [repeat_2x2(x, 1), (dy) => [sum_2x2(dy, 1)]];
}

/** Mean of every block of 2×2; dx = a quarter of dy for each of its four. */
function average_pool(x) {
  return [sum_2x2(x, 1 / 4), (dy) => [repeat_2x2(dy, 1 / 4)]];
}

/** factor times every pixel as a block of 2×2, (H, W, C) -> (2H, 2W, C). */
function repeat_2x2({ shape: [H, W, C], values }, factor) {
  const y = new Float32Array(4 * values.length);
  forEachOfBlocks([H, W, C], (large, small) => { y[large] = factor * values[small]; });
  return { shape: [2 * H, 2 * W, C], values: y };
}

/** factor times the sum of every block of 2×2, (2H, 2W, C) -> (H, W, C). */
function sum_2x2({ shape: [H, W, C], values }, factor) {
  const shape = [H / 2, W / 2, C], y = new Float32Array(values.length / 4);
  forEachOfBlocks(shape, (large, small) => { y[small] += factor * values[large]; });
  return { shape, values: y };
}

/** For every value of an image of twice (H, W): its place, and that of its block in (H, W, C). */
function forEachOfBlocks([H, W, C], visit) {
  let large = 0;
  for (let row = 0; row < 2 * H; row++) for (let column = 0; column < 2 * W; column++) {
    const small = ((row >> 1) * W + (column >> 1)) * C;
    for (let c = 0; c < C; c++) visit(large++, small + c);
  }
}

/** The image within a border of zeros; dx = dy without it. */
function pad(x, arrays, { border }) {
  return [zero_pad(x, border), (dy) => [without_border(dy, border)]];
}

/** The image without a border of pixels; dx = dy within zeros. */
function crop(x, arrays, { border }) {
  return [without_border(x, border), (dy) => [zero_pad(dy, border)]];
}

function zero_pad({ shape: [H, W, C], values }, [v, h]) {
  const y = new Float32Array((H + 2 * v) * (W + 2 * h) * C);
  for (let row = 0; row < H; row++) {
    y.set(values.subarray(row * W * C, (row + 1) * W * C), ((row + v) * (W + 2 * h) + h) * C);
  }
  return { shape: [H + 2 * v, W + 2 * h, C], values: y };
}

function without_border({ shape: [H, W, C], values }, [v, h]) {
  const shape = [H - 2 * v, W - 2 * h, C], length = shape[1] * C, y = new Float32Array(shape[0] * length);
  for (let row = 0; row < shape[0]; row++) {
    const from = ((row + v) * W + h) * C;
    y.set(values.subarray(from, from + length), row * length);
  }
  return { shape, values: y };
}

const OPERATIONS = {
  linear, correlate, correlate_transpose, reshape, scale_shift, rectify, sigmoid, tanh, add, nearest_double, average_pool,
  pad, crop,
};
