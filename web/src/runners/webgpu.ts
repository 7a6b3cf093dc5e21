// The student in WebGPU, as `kdsharp export --to wgsl` writes it.

import { exported, isSoftware, type Picture, type Runner, type Wish } from "./runner";

export async function openWebGPU({ addresses, times }: Wish): Promise<Runner> {
  if (!navigator.gpu) throw new Error("this browser has no WebGPU");
  const { createSharpener } = await exported(addresses.wgsl, times);
  const canvas = new OffscreenCanvas(1, 1);
  const sharpener = await createSharpener(canvas);
  const gpu = sharpener.device!;
  const { vendor, architecture, description } = gpu.adapterInfo;
  const device = [description || `${vendor} ${architecture}`.trim()].join("") || "unnamed device";
  let lost = "";
  void gpu.lost.then(({ message }) => (lost = message || "it is gone"));
  return {
    backend: "webgpu",
    device: /swiftshader/i.test(`${device} ${architecture}`) ? "SwiftShader" : device,
    software: gpu.adapterInfo.isFallbackAdapter || isSoftware(`${device} ${architecture}`),
    async run<T>(source: Picture, strength: number, take: (canvas: OffscreenCanvas) => T) {
      gpu.pushErrorScope("validation");
      gpu.pushErrorScope("out-of-memory");
      sharpener.sharpen(source, strength);
      const taken = take(canvas);
      const [memory, mistake] = await Promise.all([
        gpu.popErrorScope(),
        gpu.popErrorScope(),
        gpu.queue.onSubmittedWorkDone(),
      ]);
      const wrong = memory?.message ?? mistake?.message ?? lost;
      if (wrong) throw new Error(`WebGPU failed: ${wrong}`);
      return taken;
    },
    dispose: () => sharpener.dispose(),
  };
}
