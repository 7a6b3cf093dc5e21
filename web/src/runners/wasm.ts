// The student in ONNX Runtime on the CPU: the last resort, with luma made here.

import type * as Runtime from "onnxruntime-web";
import { add, addTo, halved, layout, read } from "./planes";
import type { Picture, Runner, Wish } from "./runner";

export async function openWasm({ addresses, times, channels }: Wish): Promise<Runner> {
  if (times !== 1) throw new Error("WASM does not enlarge");
  const folder = new URL("./ort/", import.meta.url).href;
  const ort = (await import(`${folder}ort.wasm.min.mjs`)) as typeof Runtime;
  ort.env.wasm.wasmPaths = folder;
  const threads = crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, 8) : 1;
  ort.env.wasm.numThreads = threads;
  const session = await ort.InferenceSession.create(addresses.onnx, {
    executionProviders: ["wasm"],
    graphOptimizationLevel: "all",
  });
  const canvas = new OffscreenCanvas(1, 1);
  const context = canvas.getContext("2d", { willReadFrequently: true, alpha: false })!;
  let planes = new Float32Array(0);

  function fit(length: number): void {
    if (planes.length !== length) planes = new Float32Array(length);
  }

  /** What the student makes of `planes`. */
  async function network(width: number, height: number): Promise<Float32Array> {
    const input = new ort.Tensor("float32", planes, [1, channels, height, width]);
    const found = await session.run({ [session.inputNames[0]!]: input });
    return found[session.outputNames[0]!]!.data as Float32Array;
  }

  async function run<T>(source: Picture, strength: number, take: (canvas: OffscreenCanvas) => T) {
    const [width, height] = sizeOf(source);
    if (canvas.width !== width || canvas.height !== height)
      [canvas.width, canvas.height] = [width, height];
    context.drawImage(source, 0, 0);
    const pixels = context.getImageData(0, 0, width, height);
    fit(channels * width * height);
    read(pixels.data, planes, channels);
    const output = await network(width, height);
    add(pixels.data, planes, output, channels, strength);
    context.putImageData(pixels, 0, 0);
    return take(canvas);
  }

  /** The luma of a video's frame as it lies there, so that no colour is converted. */
  async function frame(source: VideoFrame, strength: number, half: boolean) {
    const { format, visibleRect } = source;
    if (channels !== 1 || !visibleRect || (format !== "I420" && format !== "NV12")) return null;
    let [width, height] = [visibleRect.width, visibleRect.height];
    let bytes: Uint8Array<ArrayBuffer> = new Uint8Array(source.allocationSize());
    await source.copyTo(bytes);
    if (half) {
      bytes = halved(bytes, layout(format, width, height));
      [width, height] = [width >> 1, height >> 1];
    }
    const count = width * height;
    fit(count);
    for (let at = 0; at < count; at++) planes[at] = bytes[at]! / 255;
    const output = await network(width, height);
    addTo(bytes, planes, output, strength);
    const { timestamp, colorSpace } = source;
    const init = { format, codedWidth: width, codedHeight: height, timestamp, colorSpace };
    return new VideoFrame(bytes, { ...init, transfer: [bytes.buffer] } as VideoFrameBufferInit);
  }

  return {
    backend: "wasm",
    device: threads > 1 ? `CPU, ${threads} threads` : "CPU, one thread",
    software: true,
    run,
    frame,
    dispose: () => void session.release(),
  };
}

export function sizeOf(source: Picture): [number, number] {
  return "displayWidth" in source
    ? [source.displayWidth, source.displayHeight]
    : [source.width, source.height];
}
