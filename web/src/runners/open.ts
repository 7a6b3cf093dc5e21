// The best backend that really sharpens here: each has to prove it on a small picture.

import { openWasm } from "./wasm";
import { openWebGL2 } from "./webgl2";
import { openWebGPU } from "./webgpu";
import { NAMES, type Backend, type Opened, type Runner, type Wish } from "./runner";

const OPEN: Record<Backend, (wish: Wish) => Promise<Runner>> = {
  webgpu: openWebGPU,
  webgl2: openWebGL2,
  wasm: openWasm,
};

const SIDE = 32;
const FAR = 100; // of 255: no student changes an edge by as much

/**
 * Opens the first of `wish.order` that works; throws what each of them lacks if none does.
 *
 * A graphics card that is the CPU in disguise is 20 times as slow as WASM on that CPU (`?bench`),
 * so it is only taken where nothing else is left.
 */
export async function openRunner(wish: Wish): Promise<Opened> {
  const failed: string[] = [];
  let spare: Runner | undefined;
  for (const backend of wish.order) {
    const left = wish.order.slice(wish.order.indexOf(backend) + 1);
    let runner: Runner | undefined;
    try {
      runner = await OPEN[backend](wish);
      await prove(runner, wish.times);
      if (!(runner.software && left.includes("wasm"))) {
        spare?.dispose();
        return { runner, failed };
      }
      failed.push(`${NAMES[backend]}: ${runner.device} is no graphics card`);
      spare?.dispose();
      spare = runner;
    } catch (error) {
      runner?.dispose();
      failed.push(`${NAMES[backend]}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (!spare) throw new Error(failed.join("; "));
  return { runner: spare, failed: failed.filter((reason) => !reason.startsWith(NAMES[spare.backend])) };
}

/** Throws unless `runner` sharpens an edge: a driver that fails often leaves black, or the input. */
async function prove(runner: Runner, times: number): Promise<void> {
  const picture = new OffscreenCanvas(SIDE, SIDE);
  const context = picture.getContext("2d", { willReadFrequently: true })!;
  const soft = context.createLinearGradient(12, 0, 20, 6);
  soft.addColorStop(0, "#404040");
  soft.addColorStop(1, "#c0c0c0");
  context.fillStyle = soft;
  context.fillRect(0, 0, SIDE, SIDE);
  const before = context.getImageData(0, 0, SIDE, SIDE).data;
  const small = new OffscreenCanvas(SIDE, SIDE).getContext("2d")!;
  await runner.run(picture, 1, (canvas) => {
    if (canvas.width !== SIDE * times) throw new Error("its result has another size");
    small.drawImage(canvas, 0, 0, SIDE, SIDE);
  });
  const after = small.getImageData(0, 0, SIDE, SIDE).data;
  const steps = after.map((level, at) => Math.abs(level - before[at]!));
  const most = steps.reduce((a, b) => Math.max(a, b), 0);
  if (most > FAR) throw new Error("it draws something else than the picture");
  if (times === 1 && most === 0) throw new Error("it leaves the picture as it is");
}
