// Frames in a second and the time that each takes, over the last moments.

const SPAN = 2000; // ms

export class Meter {
  /** How many there were since the start. */
  count = 0;
  private readonly kept: { end: number; took: number }[] = [];

  /** A frame was ready at `end`, `took` ms after it came. */
  note(end: number, took: number): void {
    this.count++;
    this.kept.push({ end, took });
  }

  /** Frames a second, and the median of their times in ms, at `now`. */
  read(now: number): { fps: number; latency: number } {
    while (this.kept[0] && this.kept[0].end < now - SPAN) this.kept.shift();
    const times = this.kept.map(({ took }) => took).sort((a, b) => a - b);
    const first = this.kept[0]?.end ?? now;
    const last = this.kept.at(-1)?.end ?? now;
    const fps = last > first ? (1000 * (this.kept.length - 1)) / (last - first) : 0;
    return { fps, latency: times[times.length >> 1] ?? 0 };
  }
}
