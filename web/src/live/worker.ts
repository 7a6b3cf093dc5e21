// Live video: each frame is sharpened here, away from the page, which may be hidden.

import { openRunner } from "../runners/open";
import { NAMES, type Backend, type Opened, type Picture, type Runner } from "../runners/runner";
import { sizeOf } from "../runners/wasm";
import type { FromWorker, Level, Start, ToWorker } from "./messages";
import { Meter } from "./meter";
import { Pace } from "./pace";

declare const VideoTrackGenerator: {
  new (): { track: MediaStreamTrack; writable: WritableStream<VideoFrame> };
};

const TICK = 1000 / 30; // ms
const TELL = 500;

class Live {
  private readonly pace: Pace;
  private readonly meter = new Meter();
  private readonly opened = new Map<Level, Opened>();
  private readonly half = new OffscreenCanvas(1, 1);
  private readonly writer: WritableStreamDefaultWriter<VideoFrame> | undefined;
  private readonly shown: OffscreenCanvasRenderingContext2D | undefined;
  private order: readonly Backend[];
  private readonly failed: string[] = [];
  private busy = false;
  private told = 0;
  strength: number;

  constructor(private readonly start: Start) {
    this.order = start.order;
    this.strength = start.strength;
    this.pace = new Pace(start.levels.length, start.budget);
    const writable = start.writable ?? ownTrack();
    if (writable) this.writer = writable.getWriter();
    else if (start.canvas) this.shown = start.canvas.getContext("2d", { alpha: false })!;
  }

  async run(): Promise<void> {
    await this.runner();
    if (!this.start.readable) {
      setInterval(() => this.busy || tell({ kind: "tick" }), TICK);
      return;
    }
    const reader = this.start.readable.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      await this.frame(value);
    }
  }

  /** Sharpens one frame; what comes while another is at work is left out. */
  async frame(frame: VideoFrame | ImageBitmap): Promise<void> {
    if (this.busy) return frame.close();
    this.busy = true;
    const begin = performance.now();
    try {
      const level = this.level();
      const { runner } = await this.runner();
      const began = performance.now();
      const time = "timestamp" in frame ? frame.timestamp : Math.round(begin * 1000);
      await this.sharpen(runner, frame, level.half, time).catch((error) =>
        this.fall(runner.backend, error),
      );
      const end = performance.now();
      this.meter.note(end, end - begin);
      this.pace.note(end - began);
      this.report(end, frame);
    } finally {
      frame.close();
      this.busy = false;
    }
  }

  private async sharpen(runner: Runner, frame: Picture, half: boolean, time: number) {
    if (this.writer && runner.frame && "format" in frame) {
      const made = await runner.frame(frame, this.strength, half);
      if (made) return this.write(made);
    }
    const source = half ? this.halved(frame) : frame;
    await runner.run(source, this.strength, (canvas) => this.emit(canvas, time));
  }

  private level(): Level {
    return this.start.levels[this.pace.level]!;
  }

  private async runner(): Promise<Opened> {
    const level = this.level();
    const found = this.opened.get(level);
    if (found) return found;
    const { addresses, channels } = level;
    const made = await openRunner({ addresses, channels, times: 1, order: this.order });
    this.failed.push(...made.failed);
    // What failed once is not tried again, and all levels run alike.
    this.order = this.order.slice(this.order.indexOf(made.runner.backend));
    this.opened.set(level, made);
    return made;
  }

  /** A device was lost: the next backend takes over; throws if there is none. */
  private fall(backend: Backend, error: unknown): void {
    for (const { runner } of this.opened.values()) runner.dispose();
    this.opened.clear();
    this.failed.push(`${NAMES[backend]}: ${error instanceof Error ? error.message : String(error)}`);
    const left = this.order.filter((one) => one !== backend);
    if (!left.length) throw error;
    this.order = left;
  }

  private halved(frame: Picture): OffscreenCanvas {
    const [width, height] = sizeOf(frame).map((side) => Math.max(2, side >> 1)) as [number, number];
    if (this.half.width !== width || this.half.height !== height)
      [this.half.width, this.half.height] = [width, height];
    const context = this.half.getContext("2d", { alpha: false })!;
    context.imageSmoothingQuality = "medium";
    context.drawImage(frame, 0, 0, width, height);
    return this.half;
  }

  private emit(canvas: OffscreenCanvas, timestamp: number): void {
    if (this.writer) {
      this.write(new VideoFrame(canvas, { timestamp, alpha: "discard" }));
    } else if (this.shown) {
      const { canvas: target } = this.shown;
      if (target.width !== canvas.width || target.height !== canvas.height)
        [target.width, target.height] = [canvas.width, canvas.height];
      this.shown.drawImage(canvas, 0, 0);
    }
  }

  private write(frame: VideoFrame): void {
    this.writer!.write(frame).catch(() => frame.close()); // nobody wants the track any more
  }

  private report(now: number, frame: Picture): void {
    if (now - this.told < TELL) return;
    this.told = now;
    const found = this.opened.get(this.level());
    if (!found) return;
    const { backend, device, software } = found.runner;
    const { name, half } = this.level();
    const [width, height] = sizeOf(frame);
    tell({
      ...{ kind: "state", backend, device, software, failed: this.failed, model: name, half },
      ...{ level: this.pace.level, frames: this.meter.count, width, height },
      ...this.meter.read(now),
    });
  }
}

/** Safari makes tracks in workers alone. */
function ownTrack(): WritableStream<VideoFrame> | undefined {
  if (!("VideoTrackGenerator" in self)) return undefined;
  const { track, writable } = new VideoTrackGenerator();
  tell({ kind: "track", track }, [track as unknown as Transferable]);
  return writable;
}

function tell(told: FromWorker, transfer: Transferable[] = []): void {
  self.postMessage(told, { transfer });
}

let live: Live | undefined;

const failed = (error: unknown) =>
  tell({ kind: "error", error: error instanceof Error ? error.message : String(error) });

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.kind === "start") {
    live = new Live(data);
    live.run().catch(failed);
  } else if (data.kind === "strength" && live) live.strength = data.strength;
  else if (data.kind === "frame") live?.frame(data.frame).catch(failed);
};
