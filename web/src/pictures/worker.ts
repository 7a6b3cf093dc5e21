// Pictures are decoded, sharpened in tiles and encoded here, so that the page never waits.

import { openRunner } from "../runners/open";
import { NAMES, type Backend, type Opened } from "../runners/runner";
import type { Addresses } from "../catalogue";
import { halo, tiles } from "./tiles";

export interface Asked {
  id: number;
  file: Blob;
  /** Without it the picture is only decoded. */
  sharpen?: {
    addresses: Addresses;
    channels: 1 | 3;
    radius: number;
    grid: number;
    times: number;
    strength: number;
    type: string;
    order: readonly Backend[];
  };
}

/** A picture as it is shown: whole, and a small one for when it is shown as small as that. */
export interface Shown {
  whole: ImageBitmap;
  small: ImageBitmap;
}

export type Told =
  | { id: number; share: number }
  | { id: number; error: string }
  | { id: number; before: Shown; after?: Shown; file?: Blob; ran?: string };

const SMALL = 1600; // pixels on the longer side
const QUALITY = 0.95;
const MOST = 268_435_456; // pixels that a canvas can have

let kept: { key: string; opened: Opened } | undefined;
let last: Promise<unknown> = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<Asked>) => {
  last = last.then(() => answer(data).catch((error) => tell({ id: data.id, error: words(error) })));
};

async function answer({ id, file, sharpen }: Asked): Promise<void> {
  const picture = await decoded(file);
  const before = { whole: picture, small: await smaller(picture) };
  if (!sharpen) return tell({ id, before }, [before.whole, before.small]);
  const { runner } = await opened(sharpen);
  const canvas = await drawn(picture, sharpen, (share) => tell({ id, share }));
  const type = sharpen.type === "image/jpeg" || sharpen.type === "image/webp" ? sharpen.type : "image/png";
  const made = await canvas.convertToBlob({ type, quality: QUALITY });
  const whole = canvas.transferToImageBitmap();
  const after = { whole, small: await smaller(whole) };
  const ran = `${NAMES[runner.backend]}, ${runner.device}`;
  tell({ id, before, after, file: made, ran }, [
    ...[before.whole, before.small, after.whole, after.small],
  ]);
}

async function decoded(file: Blob): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(file, { premultiplyAlpha: "none" });
  } catch {
    throw new Error("this browser cannot read the picture");
  }
}

async function opened({ addresses, channels, times, order }: NonNullable<Asked["sharpen"]>) {
  const key = JSON.stringify([addresses, times, order]);
  if (kept?.key !== key) {
    kept?.opened.runner.dispose();
    kept = undefined;
    kept = { key, opened: await openRunner({ addresses, times, channels, order }) };
  }
  return kept.opened;
}

async function drawn(
  picture: ImageBitmap,
  wish: NonNullable<Asked["sharpen"]>,
  progress: (share: number) => void,
): Promise<OffscreenCanvas> {
  const { times, strength, radius, grid } = wish;
  const { width, height } = picture;
  if (width * height * times * times > MOST)
    throw new Error(`the result would have more than ${MOST / 1e6} megapixels`);
  const canvas = new OffscreenCanvas(width * times, height * times);
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  const { runner } = await opened(wish);
  const all = tiles(width, height, halo(radius, grid, times), grid);
  for (const [number, { x, y }] of all.entries()) {
    const [left, top] = [x.read[0], y.read[0]];
    const part = await createImageBitmap(
      ...([picture, left, top, x.read[1] - left, y.read[1] - top] as const),
      { premultiplyAlpha: "none" },
    );
    const [column, row] = [x.write[0] * times, y.write[0] * times];
    const [wide, high] = [x.write[1] * times - column, y.write[1] * times - row];
    await runner.run(part, strength, (result) =>
      context.drawImage(
        ...([result, column - left * times, row - top * times, wide, high] as const),
        ...([column, row, wide, high] as const),
      ),
    );
    part.close();
    progress((number + 1) / all.length);
  }
  // What was transparent stays so.
  context.globalCompositeOperation = "destination-in";
  if (wish.type !== "image/jpeg") context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvas;
}

async function smaller(picture: ImageBitmap): Promise<ImageBitmap> {
  const share = Math.min(1, SMALL / Math.max(picture.width, picture.height));
  const [resizeWidth, resizeHeight] = [picture.width, picture.height].map((side) =>
    Math.max(1, Math.round(side * share)),
  );
  return createImageBitmap(picture, { resizeWidth, resizeHeight, resizeQuality: "medium" });
}

function tell(told: Told, transfer: Transferable[] = []): void {
  self.postMessage(told, { transfer });
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
