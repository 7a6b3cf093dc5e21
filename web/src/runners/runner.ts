// What sharpens in the browser, whichever way: one picture in, a canvas with the result out.

import type { Addresses } from "../catalogue";

export type Backend = "webgpu" | "webgl2" | "wasm";
export type Picture = VideoFrame | ImageBitmap | OffscreenCanvas;

export const BACKENDS: readonly Backend[] = ["webgpu", "webgl2", "wasm"];

/** As people write them. */
export const NAMES: Record<Backend, string> = { webgpu: "WebGPU", webgl2: "WebGL2", wasm: "WASM" };

export interface Runner {
  readonly backend: Backend;
  /** The device's own name, such as a graphics card. */
  readonly device: string;
  /** Whether that device is the CPU after all. */
  readonly software: boolean;
  /**
   * Sharpens `source`; `take` gets the canvas while the result is surely in it. Resolves when the
   * device is done, so that the time until then is what it took.
   */
  run<T>(source: Picture, strength: number, take: (canvas: OffscreenCanvas) => T): Promise<T>;
  /**
   * A shorter way for video where there is one: the luma of `source` alone, at half the size if
   * that is wanted. Null for a frame that it does not fit.
   */
  frame?(source: VideoFrame, strength: number, half: boolean): Promise<VideoFrame | null>;
  dispose(): void;
}

export interface Opened {
  runner: Runner;
  /** Why each backend that comes before it does not run here. */
  failed: string[];
}

export interface Wish {
  addresses: Addresses;
  /** 1, or by how much the model enlarges. */
  times: number;
  channels: 1 | 3;
  /** The backends to try, best first. */
  order: readonly Backend[];
}

/** What `kdsharp export --to webgl2` and `wgsl` write; `wgsl` gives a promise and a device. */
export interface Exported {
  network: { times: number; grid: number };
  createSharpener(canvas: OffscreenCanvas): Promise<Sharpener> | Sharpener;
}

export interface Sharpener {
  sharpen(source: Picture, strength: number): void;
  dispose(): void;
  device?: GPUDevice;
}

/** The module at `address`; one that enlarges is another instance than one that does not. */
export async function exported(address: string, times: number): Promise<Exported> {
  const made = (await import(times > 1 ? `${address}&times=${times}` : address)) as Exported;
  made.network.times = times;
  return made;
}

export function isSoftware(device: string): boolean {
  return /swiftshader|llvmpipe|lavapipe|software|basic render/i.test(device);
}
