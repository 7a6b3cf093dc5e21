// The student in WebGL2, as `kdsharp export --to webgl2` writes it.

import { exported, isSoftware, type Picture, type Runner, type Wish } from "./runner";

export async function openWebGL2({ addresses, times }: Wish): Promise<Runner> {
  const { createSharpener } = await exported(addresses.webgl2, times);
  const canvas = new OffscreenCanvas(1, 1);
  const sharpener = await createSharpener(canvas);
  const gl = canvas.getContext("webgl2")!;
  const named = gl.getExtension("WEBGL_debug_renderer_info");
  const device = String(gl.getParameter(named?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER));
  const pixel = new Uint8Array(4);
  return {
    backend: "webgl2",
    device: short(device),
    software: isSoftware(device),
    async run<T>(source: Picture, strength: number, take: (canvas: OffscreenCanvas) => T) {
      sharpener.sharpen(source, strength);
      const taken = take(canvas);
      // Reading is the one call that waits until everything is drawn.
      gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
      if (gl.isContextLost()) throw new Error("WebGL2 lost its device");
      return taken;
    },
    dispose() {
      sharpener.dispose();
      gl.getExtension("WEBGL_lose_context")?.loseContext();
    },
  };
}

/** ANGLE wraps the name in its own and the driver's. */
function short(device: string): string {
  const inner = /^ANGLE \((.*)\)$/.exec(device)?.[1] ?? device;
  if (/swiftshader/i.test(inner)) return "SwiftShader";
  return inner.split(", ")[1]?.replace(/ \(0x.*$/, "") ?? inner;
}
