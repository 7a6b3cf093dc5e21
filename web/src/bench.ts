// `?bench`: how quick each backend is with the smallest student, beside ONNX Runtime alone.
// `?bench=SECONDS&only=BACKEND` times each for so long, or one of them.

import type * as Runtime from "onnxruntime-web";
import { addressesOf, modelFor, type Catalogue } from "./catalogue";
import { openRunner } from "./runners/open";
import { BACKENDS, type Backend } from "./runners/runner";

const [WIDTH, HEIGHT] = [640, 360];
const WARM = 3;
const SPAN = 4; // seconds that each is timed for, or as ?bench=SECONDS says
const LEAST = 3; // frames

interface Row {
  name: string;
  device: string;
  fps: number;
  /** ms for a frame. */
  median: number;
  /** The quickest frame: what others on the machine disturb least. */
  least: number;
}

/** Fills `section` with a table, and puts the same numbers on `window.measured`. */
export async function bench(section: HTMLElement, { models }: Catalogue): Promise<void> {
  section.hidden = false;
  const asked = new URLSearchParams(location.search);
  const span = Number(asked.get("bench")) || SPAN;
  const wanted = BACKENDS.filter((backend) => (asked.get("only") ?? backend) === backend);
  const model = modelFor(models, "nano-x2")!;
  const title = document.createElement("h2");
  title.textContent = `${model.name}, ${WIDTH} × ${HEIGHT}`;
  const note = document.createElement("p");
  section.append(title, note);
  const rows: Row[] = [];
  const table = document.createElement("table");
  section.append(table);
  const show = (row: Row) => {
    rows.push(row);
    const cells = [row.name, row.device, row.fps.toFixed(1), `${row.median.toFixed(1)} ms`, `${row.least.toFixed(1)} ms`];
    line(table.tBodies[0] ?? table.createTBody(), cells, "td");
  };
  line(table.createTHead(), ["backend", "device", "frames a second", "median", "quickest"], "th");
  for (const backend of wanted) {
    note.textContent = `Timing ${backend}`;
    await timeBackend(backend).then(show, (error: Error) =>
      show({ name: backend, device: error.message, fps: 0, median: NaN, least: NaN }),
    );
  }
  note.textContent = "Timing ONNX Runtime alone";
  await timeAlone().then(show, (error: Error) =>
    show({ name: "onnxruntime-web alone", device: error.message, fps: 0, median: NaN, least: NaN }),
  );
  const threads = crossOriginIsolated ? "" : " WASM has one thread, as the page is not isolated.";
  note.textContent = `Done. Each was timed for ${span} s, frame after frame.${threads}`;
  Object.assign(window, { measured: rows });

  async function timeBackend(backend: Backend): Promise<Row> {
    const channels = model.card.color === "rgb" ? 3 : 1;
    const wish = { addresses: addressesOf(model), times: 1, channels, order: [backend] } as const;
    const { runner } = await openRunner(wish);
    const picture = noise();
    const times = await timed(span, async () => {
      if (runner.frame) (await runner.frame(picture, 1, false))?.close();
      else await runner.run(picture, 1, (canvas) => new VideoFrame(canvas, { timestamp: 0 }).close());
    });
    picture.close();
    const row = { name: backend, device: runner.device, ...summary(times) };
    runner.dispose();
    return row;
  }

  /** The network alone, from luma to luma, as anyone would call it. */
  async function timeAlone(): Promise<Row> {
    const folder = new URL("./ort/", import.meta.url).href;
    const ort = (await import(`${folder}ort.wasm.min.mjs`)) as typeof Runtime;
    ort.env.wasm.wasmPaths = folder;
    ort.env.wasm.numThreads = crossOriginIsolated ? navigator.hardwareConcurrency : 1;
    const session = await ort.InferenceSession.create(addressesOf(model).onnx);
    const planes = Float32Array.from({ length: WIDTH * HEIGHT }, Math.random);
    const input = new ort.Tensor("float32", planes, [1, 1, HEIGHT, WIDTH]);
    const times = await timed(span, () => session.run({ [session.inputNames[0]!]: input }));
    const device = `CPU, ${ort.env.wasm.numThreads} threads`;
    return { name: "onnxruntime-web alone", device, ...summary(times) };
  }
}

async function timed(span: number, run: () => Promise<unknown>): Promise<number[]> {
  for (let count = 0; count < WARM; count++) await run();
  const times: number[] = [];
  const end = performance.now() + 1000 * span;
  while (times.length < LEAST || performance.now() < end) {
    const begin = performance.now();
    await run();
    times.push(performance.now() - begin);
  }
  return times;
}

function summary(times: number[]): Pick<Row, "fps" | "median" | "least"> {
  const sorted = [...times].sort((a, b) => a - b);
  const whole = times.reduce((sum, time) => sum + time, 0);
  return { fps: (1000 * times.length) / whole, median: sorted[sorted.length >> 1]!, least: sorted[0]! };
}

/** A frame as cameras give them. */
function noise(): VideoFrame {
  const bytes = Uint8Array.from({ length: WIDTH * HEIGHT * 1.5 }, () => 16 + 200 * Math.random());
  const size = { codedWidth: WIDTH, codedHeight: HEIGHT };
  return new VideoFrame(bytes, { format: "I420", ...size, timestamp: 0 });
}

function line(to: HTMLTableSectionElement, cells: string[], tag: "td" | "th"): void {
  const row = to.insertRow();
  for (const text of cells) {
    const cell = document.createElement(tag);
    cell.textContent = text;
    row.append(cell);
  }
}
