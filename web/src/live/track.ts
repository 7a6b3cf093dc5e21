// A filter for calls: a track of a camera in, a sharpened track out.
//
//   import { sharpenTrack } from "./assets/track.js";
//   const sharp = await sharpenTrack(camera, { levels, order: ["webgpu", "webgl2", "wasm"] });
//   connection.addTrack(sharp.track);
//
// Frames go through a worker, so that the picture goes on while the page is hidden.

import type { FromWorker, Level, Start, State, ToWorker } from "./messages";
import { BACKENDS, type Backend } from "../runners/runner";

export type { Level, State } from "./messages";

declare class MediaStreamTrackProcessor {
  constructor(init: { track: MediaStreamTrack });
  readonly readable: ReadableStream<VideoFrame>;
}

interface Generator extends MediaStreamTrack {
  readonly writable: WritableStream<VideoFrame>;
}

declare const MediaStreamTrackGenerator: { new (init: { kind: "video" }): Generator };

export interface Wishes {
  levels: Level[];
  order?: readonly Backend[];
  strength?: number;
  /** ms for a frame, see `Start`. */
  budget?: number;
  onState?: (state: State) => void;
  onError?: (error: string) => void;
}

export interface Sharp {
  /** The sharpened video; null where the browser makes no tracks, and draws to `canvas`. */
  track: MediaStreamTrack | null;
  canvas: HTMLCanvasElement | null;
  strength(value: number): void;
  stop(): void;
}

const WAIT = 1000; // ms for a worker's own track

/** Sharpens a track, or what a video element plays, until `stop`. */
export async function sharpenTrack(
  source: MediaStreamTrack | HTMLVideoElement,
  wishes: Wishes,
): Promise<Sharp> {
  const { levels, order = BACKENDS, strength = 1, budget = Infinity } = wishes;
  const worker = new Worker(new URL("./live-worker.js", import.meta.url), { type: "module" });
  const start: Start = { kind: "start", levels, order, strength, budget };
  const transfer: Transferable[] = [];
  const player = playing(source);
  if (!player) {
    start.readable = new MediaStreamTrackProcessor({ track: source as MediaStreamTrack }).readable;
    transfer.push(start.readable as unknown as Transferable);
  }
  let track: MediaStreamTrack | null = null;
  let canvas: HTMLCanvasElement | null = null;
  if ("MediaStreamTrackGenerator" in globalThis) {
    const made = new MediaStreamTrackGenerator({ kind: "video" });
    track = made;
    start.writable = made.writable;
    transfer.push(made.writable as unknown as Transferable);
  } else {
    canvas = document.createElement("canvas");
    start.canvas = canvas.transferControlToOffscreen();
    transfer.push(start.canvas);
  }
  const tell = (told: ToWorker, moved: Transferable[] = []) => worker.postMessage(told, moved);
  const own = new Promise<void>((done) => {
    if (track) return done();
    setTimeout(done, WAIT);
    worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
      if (data.kind !== "track") return;
      track = data.track;
      done();
    });
  });
  worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
    if (data.kind === "state") wishes.onState?.(data);
    else if (data.kind === "error") wishes.onError?.(data.error);
    else if (data.kind === "tick" && player) void send(player, tell);
  });
  worker.onerror = ({ message }) => wishes.onError?.(message || "the worker stopped");
  tell(start, transfer);
  await own;
  return {
    track,
    canvas: track ? null : canvas,
    strength: (value) => tell({ kind: "strength", strength: value }),
    stop() {
      worker.terminate();
      track?.stop();
      if (player && player !== source) player.srcObject = null;
    },
  };
}

/** An element that plays what has to be asked for frame by frame; null where a worker reads it. */
function playing(source: MediaStreamTrack | HTMLVideoElement): HTMLVideoElement | null {
  if (source instanceof HTMLVideoElement) return source;
  if ("MediaStreamTrackProcessor" in globalThis) return null;
  const player = document.createElement("video");
  player.muted = true;
  player.srcObject = new MediaStream([source]);
  void player.play();
  return player;
}

async function send(
  player: HTMLVideoElement,
  tell: (told: ToWorker, moved: Transferable[]) => void,
): Promise<void> {
  if (player.readyState < HTMLMediaElement.HAVE_CURRENT_DATA || !player.videoWidth) return;
  const frame =
    "VideoFrame" in globalThis ? new VideoFrame(player) : await createImageBitmap(player);
  tell({ kind: "frame", frame }, [frame]);
}
