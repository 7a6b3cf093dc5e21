// Decodes a video, sharpens each picture and encodes it again; sound is copied.

import {
  MATROSKA,
  MP4,
  QTFF,
  WEBM,
  BlobSource,
  BufferTarget,
  Conversion,
  Input,
  Mp4OutputFormat,
  Output,
  QUALITY_VERY_HIGH,
  WebMOutputFormat,
} from "mediabunny";
import type { Addresses } from "../catalogue";
import { openRunner } from "../runners/open";
import { NAMES, type Backend } from "../runners/runner";

export interface FilmAsked {
  film: Blob;
  strength: number;
  addresses: Addresses;
  channels: 1 | 3;
  order: readonly Backend[];
}

export type FilmTold =
  | { share: number }
  | { error: string }
  | { file: Blob; suffix: string; by: string };

self.onmessage = ({ data }: MessageEvent<FilmAsked>) => {
  convert(data).catch((error) => tell({ error: error instanceof Error ? error.message : String(error) }));
};

async function convert({ film, strength, addresses, channels, order }: FilmAsked): Promise<void> {
  const { runner } = await openRunner({ addresses, channels, times: 1, order });
  const input = new Input({ source: new BlobSource(film), formats: [MP4, QTFF, WEBM, MATROSKA] });
  const webm = /matroska|webm/i.test((await input.getFormat()).name);
  const target = new BufferTarget();
  const format = webm ? new WebMOutputFormat() : new Mp4OutputFormat({ fastStart: "in-memory" });
  const copy = new OffscreenCanvas(1, 1);
  const conversion = await Conversion.init({
    input,
    output: new Output({ format, target }),
    video: {
      forceTranscode: true,
      bitrate: QUALITY_VERY_HIGH, // detail is what this is about
      process: async (sample) => {
        const frame = sample.toVideoFrame();
        try {
          const made = await runner.frame?.(frame, strength, false);
          if (made) return made;
          await runner.run(frame, strength, (canvas) => {
            if (copy.width !== canvas.width || copy.height !== canvas.height)
              [copy.width, copy.height] = [canvas.width, canvas.height];
            copy.getContext("2d", { alpha: false })!.drawImage(canvas, 0, 0);
          });
        } finally {
          frame.close();
        }
        return copy;
      },
    },
  });
  if (!conversion.isValid) {
    const reasons = conversion.discardedTracks.map(({ track, reason }) => `${track.type}: ${reason}`);
    throw new Error(`this browser cannot convert it (${reasons.join(", ")})`);
  }
  const lost = conversion.discardedTracks.map(({ track }) => track.type);
  conversion.onProgress = (share) => tell({ share });
  await conversion.execute();
  const type = webm ? "video/webm" : "video/mp4";
  const by = `${NAMES[runner.backend]}, ${runner.device}${lost.length ? `; left out: ${lost.join(", ")}` : ""}`;
  tell({ file: new Blob([target.buffer!], { type }), suffix: webm ? "webm" : "mp4", by });
}

function tell(told: FilmTold): void {
  self.postMessage(told);
}
