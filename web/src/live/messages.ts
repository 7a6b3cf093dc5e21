// What the page and the worker for live video say to each other.

import type { Addresses } from "../catalogue";
import type { Backend } from "../runners/runner";

/** One step of quality. */
export interface Level {
  name: string;
  addresses: Addresses;
  channels: 1 | 3;
  /** Whether the picture is made half as large first. */
  half: boolean;
}

export interface Start {
  kind: "start";
  levels: Level[];
  order: readonly Backend[];
  strength: number;
  /** ms that a frame may take before the quality steps down; Infinity never steps. */
  budget: number;
  /** Frames of a track; without it the worker asks for each, with a tick. */
  readable?: ReadableStream<VideoFrame>;
  /** Where sharpened frames go; without it into a track of the worker's own, or onto `canvas`. */
  writable?: WritableStream<VideoFrame>;
  canvas?: OffscreenCanvas;
}

export type ToWorker =
  | Start
  | { kind: "frame"; frame: VideoFrame | ImageBitmap }
  | { kind: "strength"; strength: number };

export interface State {
  kind: "state";
  backend: Backend;
  device: string;
  software: boolean;
  /** Why better backends do not run. */
  failed: string[];
  model: string;
  half: boolean;
  level: number;
  fps: number;
  latency: number;
  frames: number;
  width: number;
  height: number;
}

export type FromWorker =
  | State
  | { kind: "tick" }
  | { kind: "track"; track: MediaStreamTrack }
  | { kind: "error"; error: string };
