// Sharpen pictures in WebGPU. Made by kdsharp export; no other file is needed.
//
//   import { createSharpener } from "./sharpen.js";
//   const sharpener = await createSharpener(canvas);
//   sharpener.sharpen(video);  // or an image, a canvas, an ImageBitmap, a VideoFrame, ImageData

export const network = __NETWORK__;

/** The shaders; constants with `override` are the network's, set for each pass. */
export const source = `
override PLANES: i32 = 1;
override GRID: i32 = 1;
override TIMES: i32 = 1;
override INPUTS: i32 = 1;   // groups of four channels that a layer reads
override OUTPUTS: i32 = 1;  // and that it writes
override SIDE: i32 = 1;
override MARGIN: i32 = 0;   // cells around the picture in what is written
override START: i32 = 0;    // of the layer's matrices, in vectors of four
override BIASES: i32 = 0;
override LAST: bool = false;

@group(0) @binding(0) var<uniform> setup: vec4f;  // width and height of the picture, strength
@group(0) @binding(1) var<storage, read> before: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> after: array<vec4f>;
@group(0) @binding(3) var<storage, read> weights: array<vec4f>;
@group(0) @binding(4) var picture: texture_2d<f32>;

fn cells(margin: i32) -> vec2i {
    return (vec2i(setup.xy) * TIMES + GRID - 1) / GRID + 2 * margin;
}

fn cubic(distance: f32) -> f32 {  // Keys' cubic convolution with -0.5
    let d = abs(distance);
    if (d < 1.0) { return (1.5 * d - 2.5) * d * d + 1.0; }
    if (d < 2.0) { return ((2.5 - 0.5 * d) * d - 4.0) * d + 2.0; }
    return 0.0;
}

fn pixel(at: vec2i) -> vec3f {
    let size = vec2i(setup.xy);
    let p = clamp(at, vec2i(0), size * TIMES - 1);
    if (TIMES == 1) { return textureLoad(picture, p, 0).rgb; }
    let place = (vec2f(p) + 0.5) / f32(TIMES) - 0.5;
    let corner = vec2i(floor(place)) - 1;
    var sum = vec4f(0.0);
    for (var y = 0; y < 4; y++) {
        for (var x = 0; x < 4; x++) {
            let near = corner + vec2i(x, y);
            if (any(near < vec2i(0)) || any(near >= size)) { continue; }
            let weight = cubic(place.x - f32(near.x)) * cubic(place.y - f32(near.y));
            sum += weight * vec4f(textureLoad(picture, near, 0).rgb, 1.0);
        }
    }
    return sum.rgb / sum.a;
}

// Channels are ordered (row, column, plane) here, and (plane, row, column) at the end.
@compute @workgroup_size(8, 8)
fn fold(@builtin(global_invocation_id) id: vec3u) {
    let size = cells(MARGIN);
    let p = vec2i(id.xy);
    if (any(p >= size)) { return; }
    for (var group = 0; group < OUTPUTS; group++) {
        var four = vec4f(0.0);
        for (var at = 0; at < 4; at++) {
            let channel = 4 * group + at;
            let place = channel / PLANES;
            if (place >= GRID * GRID) { break; }
            let color = pixel((p - MARGIN) * GRID + vec2i(place % GRID, place / GRID));
            four[at] = select(color[channel % PLANES], dot(color, vec3f(0.299, 0.587, 0.114)),
                              PLANES == 1);
        }
        after[(p.y * size.x + p.x) * OUTPUTS + group] = four;
    }
}

fn matrix(at: i32) -> mat4x4f {
    return mat4x4f(weights[at], weights[at + 1], weights[at + 2], weights[at + 3]);
}

// Up to four groups an invocation: what is read counts for all of them.
@compute @workgroup_size(8, 8)
fn layer(@builtin(global_invocation_id) id: vec3u) {
    let size = cells(MARGIN);
    let p = vec2i(id.xy);
    if (any(p >= size)) { return; }
    let wide = cells(MARGIN + SIDE / 2).x;
    let first = 4 * i32(id.z);
    let terms = 4 * SIDE * SIDE * INPUTS;
    var s0 = weights[BIASES + first];
    var s1 = weights[BIASES + min(first + 1, OUTPUTS - 1)];
    var s2 = weights[BIASES + min(first + 2, OUTPUTS - 1)];
    var s3 = weights[BIASES + min(first + 3, OUTPUTS - 1)];
    var at = START + first * terms;
    for (var y = 0; y < SIDE; y++) {
        for (var x = 0; x < SIDE; x++) {
            let start = ((p.y + y) * wide + p.x + x) * INPUTS;
            for (var group = 0; group < INPUTS; group++) {
                let v = before[start + group];
                s0 += matrix(at) * v;
                if (OUTPUTS > 1) { s1 += matrix(at + terms) * v; }
                if (OUTPUTS > 2) { s2 += matrix(at + 2 * terms) * v; }
                if (OUTPUTS > 3) { s3 += matrix(at + 3 * terms) * v; }
                at += 4;
            }
        }
    }
    let to = (p.y * size.x + p.x) * OUTPUTS + first;
    let least = select(vec4f(0.0), vec4f(-1e30), LAST);
    after[to] = max(s0, least);
    if (first + 1 < OUTPUTS) { after[to + 1] = max(s1, least); }
    if (first + 2 < OUTPUTS) { after[to + 2] = max(s2, least); }
    if (first + 3 < OUTPUTS) { after[to + 3] = max(s3, least); }
}

@vertex
fn corners(@builtin(vertex_index) at: u32) -> @builtin(position) vec4f {
    return vec4f(vec2f(f32(at % 2), f32(at / 2)) * 4.0 - 1.0, 0.0, 1.0);
}

@fragment
fn unfold(@builtin(position) place: vec4f) -> @location(0) vec4f {
    let p = vec2i(place.xy);
    let cell = p / GRID;
    let inside = p - cell * GRID;
    let base = 4 * (cell.y * cells(0).x + cell.x) * INPUTS;
    var detail = vec3f(0.0);
    for (var plane = 0; plane < 3; plane++) {
        let channel = base + (plane % PLANES * GRID + inside.y) * GRID + inside.x;
        detail[plane] = before[channel / 4][channel % 4];
    }
    return vec4f(pixel(p) + setup.z * detail, 1.0);
}
`;

/** A sharpener that draws to `canvas`, which it resizes; throws where WebGPU cannot do it. */
export async function createSharpener(canvas) {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) throw new Error("this browser has no WebGPU, or no device for it");
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  const requiredLimits = { maxBufferSize, maxStorageBufferBindingSize };
  const device = await adapter.requestDevice({ requiredLimits });
  const module = device.createShaderModule({ code: source });
  const format = navigator.gpu.getPreferredCanvasFormat();
  const { unfolding, ...planned } = plan();
  const passes = await Promise.all(
    planned.passes.map(async ({ entry: entryPoint, constants, ...pass }) => ({
      ...pass,
      pipeline: await device.createComputePipelineAsync({
        layout: "auto",
        compute: { module, entryPoint, constants },
      }),
    })),
  );
  const draw = await device.createRenderPipelineAsync({
    layout: "auto",
    vertex: { module, entryPoint: "corners" },
    fragment: { module, entryPoint: "unfold", constants: unfolding, targets: [{ format }] },
  });
  const context = canvas.getContext("webgpu");
  context.configure({ device, format, alphaMode: "opaque" });
  const setup = device.createBuffer({
    size: 16,
    usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
  });
  const numbers = Uint8Array.from(atob(network.weights), (letter) => letter.charCodeAt(0));
  const weights = device.createBuffer({
    size: numbers.byteLength,
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
  });
  device.queue.writeBuffer(weights, 0, numbers);
  let picture;
  let buffers = [];
  let size = [0, 0];

  const cells = (side, margin) => Math.ceil((side * network.times) / network.grid) + 2 * margin;

  function resize(width, height) {
    const most = device.limits.maxTextureDimension2D;
    if (Math.max(width, height) * network.times > most)
      throw new Error(`the picture is larger than the ${most} pixels that this device can take`);
    const bytes = stores().map(
      ({ groups, margin }) => 16 * groups * cells(width, margin) * cells(height, margin),
    );
    if (Math.max(...bytes) > Math.min(maxStorageBufferBindingSize, maxBufferSize))
      throw new Error(`${width}x${height} needs more memory than this device has for a layer`);
    release();
    size = [width, height];
    picture = device.createTexture({
      size,
      format: "rgba8unorm",
      usage:
        GPUTextureUsage.TEXTURE_BINDING |
        GPUTextureUsage.COPY_DST |
        GPUTextureUsage.RENDER_ATTACHMENT,
    });
    buffers = bytes.map((size) => device.createBuffer({ size, usage: GPUBufferUsage.STORAGE }));
    canvas.width = width * network.times;
    canvas.height = height * network.times;
  }

  /** Draw `source` sharpened; `strength` from 0 (unchanged) to 1. */
  function sharpen(source, strength = network.strength) {
    const width = source.videoWidth || source.naturalWidth || source.displayWidth || source.width;
    const height =
      source.videoHeight || source.naturalHeight || source.displayHeight || source.height;
    if (width !== size[0] || height !== size[1]) resize(width, height);
    device.queue.copyExternalImageToTexture({ source }, { texture: picture }, size);
    device.queue.writeBuffer(setup, 0, new Float32Array([width, height, strength, 0]));
    const encoder = device.createCommandEncoder();
    const bind = (pass, pipeline, bound) => {
      const entries = bound.map(([binding, resource]) => ({ binding, resource }));
      const layout = pipeline.getBindGroupLayout(0);
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, device.createBindGroup({ layout, entries }));
    };
    for (const [index, { margin, deep, pipeline }] of passes.entries()) {
      const pass = encoder.beginComputePass();
      const read = index
        ? [[1, { buffer: buffers[index - 1] }], [3, { buffer: weights }]]
        : [[4, picture.createView()]];
      bind(pass, pipeline, [[0, { buffer: setup }], [2, { buffer: buffers[index] }], ...read]);
      const sides = size.map((side) => Math.ceil(cells(side, margin) / 8));
      pass.dispatchWorkgroups(...sides, deep);
      pass.end();
    }
    const view = context.getCurrentTexture().createView();
    const pass = encoder.beginRenderPass({
      colorAttachments: [{ view, loadOp: "clear", storeOp: "store" }],
    });
    bind(pass, draw, [
      [0, { buffer: setup }],
      [1, { buffer: buffers.at(-1) }],
      [4, picture.createView()],
    ]);
    pass.draw(3);
    pass.end();
    device.queue.submit([encoder.finish()]);
  }

  function release() {
    picture?.destroy();
    for (const buffer of buffers) buffer.destroy();
  }

  /** Free what the device holds; the sharpener is of no use after that. */
  function dispose() {
    release();
    device.destroy();
  }

  return { sharpen, dispose, device, passes: passes.length + 1 };
}

/** What lies between the passes: groups of four channels, and cells around the picture. */
function stores() {
  const { layers, planes, grid } = network;
  const reach = (from) => layers.slice(from).reduce((sum, { side }) => sum + (side >> 1), 0);
  const groups = [Math.ceil((planes * grid * grid) / 4), ...layers.map(({ outputs }) => outputs)];
  return groups.map((count, index) => ({ groups: count, margin: reach(index) }));
}

/** The constants of each pass: fold and layers, and those of what draws the result. */
function plan() {
  const { layers, planes, grid, times } = network;
  const kept = stores();
  const common = { PLANES: planes, GRID: grid, TIMES: times };
  const passes = [
    { entry: "fold", deep: 1, constants: { ...common, OUTPUTS: kept[0].groups } },
  ];
  let start = 0; // in vectors of four
  for (const [index, { inputs, outputs, side }] of layers.entries()) {
    const biases = start + 4 * side ** 2 * inputs * outputs;
    const constants = {
      ...{ GRID: grid, TIMES: times, INPUTS: inputs, OUTPUTS: outputs, SIDE: side },
      ...{ START: start, BIASES: biases, LAST: Number(index === layers.length - 1) },
    };
    passes.push({ entry: "layer", deep: Math.ceil(outputs / 4), constants });
    start = biases + outputs;
  }
  for (const [index, pass] of passes.entries()) {
    pass.margin = kept[index].margin;
    pass.constants.MARGIN = pass.margin;
  }
  return { passes, unfolding: { ...common, INPUTS: kept.at(-1).groups } };
}
