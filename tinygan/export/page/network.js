// The whole generator, and the search for the code of an image: tinygan/export/folded.py and tinygan/reconstruction.py.
"use strict";

/** Arrays that were stored as float16, divided by their largest value. */
function unpack(bytes, { offset, length, scale }) {
  const halves = new Uint16Array(bytes, offset, length), array = new Float32Array(length);
  for (let k = 0; k < length; k++) {
    const exponent = (halves[k] >> 10) & 31, fraction = halves[k] & 1023;
    const size = exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction;
    array[k] = scale * (halves[k] >> 15 ? -size : size);
  }
  return array;
}

/** The operations with their arrays unpacked. */
function openNetwork(operations, bytes) {
  return operations.map((one) => ({
    ...one,
    arrays: Object.fromEntries(Object.entries(one.arrays).map(([name, stored]) => [name, unpack(bytes, stored)])),
  }));
}

/** G(z): [the image's values, backward], and backward(dy) gives dz. */
function forward(network, code, shape = [code.length]) {
  const values = [{ shape, values: code }], backwards = [];
  for (const { kind, inputs, arrays, settings } of network) {
    const [y, backward] = OPERATIONS[kind](...inputs.map((k) => values[k]), arrays, settings);
    values.push(y);
    backwards.push(backward);
  }
  const result = values[values.length - 1];
  const backwardOfAll = (dy) => {
    const gradients = new Array(values.length);
    gradients[values.length - 1] = { shape: result.shape, values: dy };
    for (let k = network.length - 1; k >= 0; k--) {
      backwards[k](gradients[k + 1]).forEach((gradient, which) => {
        const to = network[k].inputs[which];
        gradients[to] = gradients[to] ? plus(gradients[to], gradient) : gradient; // a value that two operations read
      });
    }
    return gradients[0].values;
  };
  return [result.values, backwardOfAll];
}

function plus(one, other) {
  return { shape: one.shape, values: one.values.map((value, k) => value + other.values[k]) };
}

/** One step of RMSProp in place, z ← z − rate·g/(√a + ε) with a ← decay·a + (1 − decay)·g². */
function rmsprop(z, gradient, average, rate, decay, epsilon) {
  for (let k = 0; k < z.length; k++) {
    average[k] = decay * average[k] + (1 - decay) * gradient[k] ** 2;
    z[k] -= (rate * gradient[k]) / (Math.sqrt(average[k]) + epsilon);
  }
}

/** Descend from z = 0 towards a target, L = mean of (G(z) − target)²; report(step, loss, z, image), step 0 first.
 *
 * report may answer with a promise, and with false to stop. */
async function searchCode(network, codeSize, target, search, report) {
  const z = new Float32Array(codeSize), average = new Float32Array(codeSize), n = target.length;
  for (let step = 0; ; step++) {
    const [image, backward] = forward(network, z);
    const difference = image.map((value, k) => value - target[k]);
    const loss = difference.reduce((sum, value) => sum + value * value, 0) / n;
    if ((await report(step, loss, z.slice(), image)) === false || step === search.steps) return;
    const gradient = backward(difference.map((value) => (2 / n) * value));
    rmsprop(z, gradient, average, search.learning_rate, search.decay, search.epsilon);
  }
}
