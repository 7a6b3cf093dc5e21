// What is done to bytes around the network: luma out of them, and the student's change into them.

const BT601 = [0.299, 0.587, 0.114] as const;

/** RGBA bytes to luma, or to three planes, in [0, 1]. */
export function read(rgba: Uint8ClampedArray, planes: Float32Array, channels: 1 | 3): void {
  const count = planes.length / channels;
  const [red, green, blue] = BT601.map((weight) => weight / 255) as [number, number, number];
  for (let at = 0, from = 0; at < count; at++, from += 4) {
    const r = rgba[from]!;
    const g = rgba[from + 1]!;
    const b = rgba[from + 2]!;
    if (channels === 1) planes[at] = red * r + green * g + blue * b;
    else {
      planes[at] = r / 255;
      planes[at + count] = g / 255;
      planes[at + 2 * count] = b / 255;
    }
  }
}

/** Adds what the student changed; a change of luma goes to R, G and B alike. */
export function add(
  rgba: Uint8ClampedArray,
  before: Float32Array,
  after: Float32Array,
  channels: 1 | 3,
  strength: number,
): void {
  const count = before.length / channels;
  const factor = 255 * strength;
  const step = channels === 1 ? 0 : count;
  for (let at = 0, to = 0; at < count; at++, to += 4)
    for (let plane = 0, place = at; plane < 3; plane++, place += step)
      rgba[to + plane]! += factor * (after[place]! - before[place]!);
}

/** Adds what changed to the first bytes, a plane of luma, and rounds. */
export function addTo(
  luma: Uint8Array,
  before: Float32Array,
  after: Float32Array,
  strength: number,
): void {
  const factor = 255 * strength;
  for (let at = 0; at < before.length; at++) {
    const level = luma[at]! + factor * (after[at]! - before[at]!) + 0.5;
    luma[at] = level < 0 ? 0 : level > 255 ? 255 : level;
  }
}

export interface Plane {
  width: number;
  height: number;
  /** Bytes side by side for one place: 2 where two planes are woven into one. */
  step: number;
}

/** The planes of a frame, one after the other without gaps. */
export function layout(format: "I420" | "NV12", width: number, height: number): Plane[] {
  const [wide, high] = [(width + 1) >> 1, (height + 1) >> 1];
  const luma = { width, height, step: 1 };
  const chroma = { width: wide, height: high, step: 1 };
  return format === "I420" ? [luma, chroma, chroma] : [luma, { ...chroma, step: 2 }];
}

/** All planes at half the size: means of four; luma rounds down, and chroma fits it. */
export function halved(bytes: Uint8Array, planes: Plane[]): Uint8Array<ArrayBuffer> {
  const [luma] = planes;
  const half = [luma!.width >> 1, luma!.height >> 1] as const;
  const sizes = planes.map(({ step }, index) =>
    index ? { width: (half[0] + 1) >> 1, height: (half[1] + 1) >> 1, step } : { width: half[0], height: half[1], step },
  );
  const out = new Uint8Array(sizes.reduce((sum, { width, height, step }) => sum + width * height * step, 0));
  let [from, to] = [0, 0];
  for (const [index, plane] of planes.entries()) {
    const { width, height, step } = sizes[index]!;
    const row = plane.width * step;
    for (let y = 0; y < height; y++) {
      const above = from + Math.min(2 * y, plane.height - 1) * row;
      const below = from + Math.min(2 * y + 1, plane.height - 1) * row;
      for (let x = 0; x < width; x++) {
        const left = Math.min(2 * x, plane.width - 1) * step;
        const right = Math.min(2 * x + 1, plane.width - 1) * step;
        for (let part = 0; part < step; part++, to++)
          out[to] =
            (bytes[above + left + part]! + bytes[above + right + part]! +
              bytes[below + left + part]! + bytes[below + right + part]! + 2) >> 2;
      }
    }
    from += row * plane.height;
  }
  return out;
}
