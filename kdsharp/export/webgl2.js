// Sharpen pictures in WebGL2. Made by kdsharp export; no other file is needed.
//
//   import { createSharpener } from "./sharpen.js";
//   const sharpener = createSharpener(canvas);
//   sharpener.sharpen(video);  // or an image, a canvas, an ImageBitmap, a VideoFrame, ImageData

export const network = __NETWORK__;

const CORNERS = `#version 300 es
void main() {
    gl_Position = vec4(vec2(gl_VertexID % 2, gl_VertexID / 2) * 4.0 - 1.0, 0.0, 1.0);
}`;

const PICTURE = `
uniform sampler2D picture;
float cubic(float d) {  // Keys' cubic convolution with -0.5
    d = abs(d);
    return d < 1.0 ? (1.5 * d - 2.5) * d * d + 1.0
         : d < 2.0 ? ((2.5 - 0.5 * d) * d - 4.0) * d + 2.0 : 0.0;
}
vec3 pixel(ivec2 p) {
    ivec2 size = textureSize(picture, 0);
    p = clamp(p, ivec2(0), size * TIMES - 1);
    if (TIMES == 1) return texelFetch(picture, p, 0).rgb;
    vec2 place = (vec2(p) + 0.5) / float(TIMES) - 0.5;
    ivec2 corner = ivec2(floor(place)) - 1;
    vec4 sum = vec4(0.0);
    for (int y = 0; y < 4; y++) {
        for (int x = 0; x < 4; x++) {
            ivec2 at = corner + ivec2(x, y);
            if (at.x < 0 || at.y < 0 || at.x >= size.x || at.y >= size.y) continue;
            float weight = cubic(place.x - float(at.x)) * cubic(place.y - float(at.y));
            sum += weight * vec4(texelFetch(picture, at, 0).rgb, 1.0);
        }
    }
    return sum.rgb / sum.a;
}`;

// Channels are ordered (row, column, plane) here, and (plane, row, column) at the end.
const FOLD = `
vec4 group(ivec2 corner, int first) {
    vec4 cells = vec4(0.0);
    for (int at = 0; at < 4; at++) {
        int channel = first + at, place = channel / PLANES;
        if (place >= GRID * GRID) break;
        vec3 color = pixel(corner + ivec2(place % GRID, place / GRID));
        cells[at] = PLANES == 1 ? dot(color, vec3(0.299, 0.587, 0.114)) : color[channel % PLANES];
    }
    return cells;
}
void main() {
    ivec2 corner = (ivec2(gl_FragCoord.xy) - MARGIN) * GRID;
    EACH(oAT = group(corner, 4 * (FIRST + AT));)
}`;

const LAYER = `
uniform sampler2DArray source;
layout(std140) uniform Weights { mat4 weights[OUTPUTS * TERMS]; };
uniform vec4 biases[OUTPUTS];
void main() {
    ivec2 p = ivec2(gl_FragCoord.xy);
    EACH(vec4 sAT = biases[AT];)
    int term = 0;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int from = 0; from < INPUTS; from++, term++) {
                vec4 v = texelFetch(source, ivec3(p + ivec2(x, y), from), 0);
                EACH(sAT += weights[AT * TERMS + term] * v;)
            }
    EACH(oAT = LAST ? sAT : max(sAT, 0.0);)
}`;

const UNFOLD = `
uniform sampler2DArray source;
uniform float strength;
uniform int height;
void main() {
    ivec2 p = ivec2(gl_FragCoord.xy);
    p.y = height - 1 - p.y;  // a canvas begins at the bottom
    ivec2 cell = p / GRID, inside = p % GRID;
    vec3 detail;
    for (int plane = 0; plane < 3; plane++) {
        int channel = (plane % PLANES * GRID + inside.y) * GRID + inside.x;
        detail[plane] = texelFetch(source, ivec3(cell, channel / 4), 0)[channel % 4];
    }
    o0 = vec4(pixel(p) + strength * detail, 1.0);
}`;

/** A sharpener that draws to `canvas`, which it resizes; throws where WebGL2 cannot do it. */
export function createSharpener(canvas) {
  const gl = canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false });
  if (!gl) throw new Error("this browser has no WebGL2");
  if (!gl.getExtension("EXT_color_buffer_float") && !gl.getExtension("EXT_color_buffer_half_float"))
    throw new Error("this device cannot draw to textures of floats");
  const kept = planned(gl).map((pass) => ({ ...pass, ...built(gl, pass) }));
  const picture = texture(gl, gl.TEXTURE_2D);
  const frame = gl.createFramebuffer();
  const array = gl.createVertexArray();
  const most = gl.getParameter(gl.MAX_TEXTURE_SIZE);
  let textures = [];
  let size = [0, 0];

  function resize(width, height) {
    if (Math.max(width, height) * network.times > most)
      throw new Error(`the picture is larger than the ${most} pixels that this device can take`);
    for (const old of textures) gl.deleteTexture(old);
    size = [width, height];
    textures = stores().map(({ groups, margin }) => {
      const made = texture(gl, gl.TEXTURE_2D_ARRAY);
      const [columns, rows] = size.map(
        (side) => Math.ceil((side * network.times) / network.grid) + 2 * margin,
      );
      gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, gl.RGBA16F, columns, rows, groups);
      return Object.assign(made, { columns, rows });
    });
    canvas.width = width * network.times;
    canvas.height = height * network.times;
  }

  /** Draw `source` sharpened; `strength` from 0 (unchanged) to 1. */
  function sharpen(source, strength = network.strength) {
    const width = source.videoWidth || source.naturalWidth || source.displayWidth || source.width;
    const height =
      source.videoHeight || source.naturalHeight || source.displayHeight || source.height;
    if (width !== size[0] || height !== size[1]) resize(width, height);
    gl.bindVertexArray(array);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, picture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, source);
    gl.activeTexture(gl.TEXTURE1);
    for (const { from, to, first, outputs, program, weights, places } of kept) {
      gl.bindTexture(gl.TEXTURE_2D_ARRAY, textures[from] ?? null);
      gl.bindBufferBase(gl.UNIFORM_BUFFER, 0, weights ?? null);
      gl.useProgram(program);
      if (to === null) {
        gl.bindFramebuffer(gl.FRAMEBUFFER, null);
        gl.viewport(0, 0, canvas.width, canvas.height);
        gl.uniform1f(places.strength, strength);
        gl.uniform1i(places.height, canvas.height);
      } else {
        gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
        const used = [];
        for (let at = 0; at < 4; at++) {
          const place = gl.COLOR_ATTACHMENT0 + at;
          const written = at < outputs ? textures[to] : null;
          gl.framebufferTextureLayer(gl.FRAMEBUFFER, place, written, 0, written ? first + at : 0);
          if (written) used.push(place);
        }
        gl.drawBuffers(used);
        gl.viewport(0, 0, textures[to].columns, textures[to].rows);
      }
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    }
  }

  /** Free what the device holds; the sharpener is of no use after that. */
  function dispose() {
    for (const held of [picture, ...textures]) gl.deleteTexture(held);
    for (const { program, weights } of kept) {
      gl.deleteProgram(program);
      gl.deleteBuffer(weights ?? null);
    }
    gl.deleteFramebuffer(frame);
    gl.deleteVertexArray(array);
  }

  return { sharpen, dispose, passes: kept.length };
}

/** What lies between the passes: groups of four channels, and cells around the picture. */
function stores() {
  const { layers, planes, grid } = network;
  const reach = (from) => layers.slice(from).reduce((sum, { side }) => sum + (side >> 1), 0);
  const groups = [Math.ceil((planes * grid * grid) / 4), ...layers.map(({ outputs }) => outputs)];
  return groups.map((count, index) => ({ groups: count, margin: reach(index) }));
}

/** The passes in their order; each writes up to four layers of one texture. */
function planned(gl) {
  const { layers, planes, grid, times } = network;
  const common = { PLANES: planes, GRID: grid, TIMES: times };
  const whole = [stores(), layers].map((list) => list.length);
  const passes = chunks(stores()[0].groups, 4).map(([first, outputs]) => ({
    ...{ from: null, to: 0, first, outputs, body: PICTURE + FOLD },
    defined: { ...common, MARGIN: stores()[0].margin, FIRST: first },
  }));
  const all = new Float32Array(
    Uint8Array.from(atob(network.weights), (letter) => letter.charCodeAt(0)).buffer,
  );
  const room = gl.getParameter(gl.MAX_UNIFORM_BLOCK_SIZE) / 64; // matrices in a block
  let start = 0;
  for (const [index, layer] of layers.entries()) {
    const terms = layer.side ** 2 * layer.inputs;
    if (terms > room) throw new Error("this device has no room for the weights of a layer");
    const end = start + 16 * terms * layer.outputs;
    for (const [first, outputs] of chunks(layer.outputs, Math.min(4, Math.floor(room / terms)))) {
      const slice = (from, unit) => all.slice(from + first * unit, from + (first + outputs) * unit);
      passes.push({
        ...{ from: index, to: index + 1, first, outputs, body: LAYER },
        ...{ matrices: slice(start, 16 * terms), biases: slice(end, 4) },
        defined: {
          ...{ SIDE: layer.side, INPUTS: layer.inputs, OUTPUTS: outputs, TERMS: terms },
          LAST: index === whole[1] - 1,
        },
      });
    }
    start = end + 4 * layer.outputs;
  }
  const last = { from: whole[0] - 1, to: null, first: 0, outputs: 1, body: PICTURE + UNFOLD };
  return [...passes, { ...last, defined: common }];
}

/** [first, how many] of `count` things, up to `most` at once. */
function chunks(count, most) {
  const firsts = Array.from({ length: Math.ceil(count / most) }, (_, index) => index * most);
  return firsts.map((first) => [first, Math.min(most, count - first)]);
}

function built(gl, { outputs, body, defined, matrices, biases }) {
  const numbers = Array.from({ length: outputs }, (_, index) => index);
  const written = body.replace(/EACH\((.*)\)\n/g, (_, line) =>
    `${numbers.map((at) => line.replaceAll("AT", at)).join("\n")}\n`,
  );
  const source = [
    "#version 300 es",
    ...["float", "sampler2D", "sampler2DArray"].map((type) => `precision highp ${type};`),
    ...Object.entries(defined).map((pair) => `#define ${pair.join(" ")}`),
    ...numbers.map((at) => `layout(location = ${at}) out vec4 o${at};`),
    written,
  ].join("\n");
  const program = link(gl, source);
  const place = (name) => gl.getUniformLocation(program, name);
  gl.useProgram(program);
  gl.uniform1i(place("picture"), 0);
  gl.uniform1i(place("source"), 1);
  if (!matrices) return { program, places: { strength: place("strength"), height: place("height") } };
  gl.uniform4fv(place("biases"), biases);
  gl.uniformBlockBinding(program, gl.getUniformBlockIndex(program, "Weights"), 0);
  const weights = gl.createBuffer();
  gl.bindBuffer(gl.UNIFORM_BUFFER, weights);
  gl.bufferData(gl.UNIFORM_BUFFER, matrices, gl.STATIC_DRAW);
  return { program, weights, places: {} };
}

function link(gl, source) {
  const program = gl.createProgram();
  for (const [kind, text] of [
    [gl.VERTEX_SHADER, CORNERS],
    [gl.FRAGMENT_SHADER, source],
  ]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    gl.deleteShader(shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
    const logs = gl.getAttachedShaders(program).map((shader) => gl.getShaderInfoLog(shader));
    throw new Error(`a shader cannot be built: ${gl.getProgramInfoLog(program)} ${logs.join(" ")}`);
  }
  return program;
}

function texture(gl, kind) {
  const made = gl.createTexture();
  gl.bindTexture(kind, made);
  for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER])
    gl.texParameteri(kind, name, gl.NEAREST);
  for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T])
    gl.texParameteri(kind, name, gl.CLAMP_TO_EDGE);
  return made;
}
