// How good the live picture may be: steps down where frames take too long, and up again with care.

const SHARE = 0.25; // of the newest frame in the mean
const LATE = 1.1; // times the budget: too slow
const EASY = 0.4; // of the budget: perhaps there is room for more
const FEW = 12; // frames after a step before anything is judged
const LONG = 1000; // ms after which three are enough
const PATIENCE = 150; // quick frames before a step up; doubled after one that was a mistake

export class Pace {
  level = 0;
  private mean = NaN;
  private frames = 0;
  private spent = 0;
  private quick = 0;
  private patience = PATIENCE;
  private rose = false; // at the last step

  /** `levels` of quality, the best first; a frame may take `budget` ms. */
  constructor(
    private readonly levels: number,
    private readonly budget: number,
  ) {}

  /** Counts a frame that took `took` ms; whether the level is another one after that. */
  note(took: number): boolean {
    this.frames++;
    this.spent += took;
    this.mean = Number.isNaN(this.mean) ? took : this.mean + SHARE * (took - this.mean);
    if (this.frames < FEW && (this.frames < 3 || this.spent < LONG)) return false;
    if (this.mean > LATE * this.budget && this.level < this.levels - 1) {
      if (this.rose) this.patience = Math.min(2 * this.patience, 64 * PATIENCE);
      return this.step(1);
    }
    this.quick = this.mean < EASY * this.budget ? this.quick + 1 : 0;
    if (this.quick >= this.patience && this.level > 0) return this.step(-1);
    return false;
  }

  private step(by: 1 | -1): boolean {
    this.level += by;
    this.rose = by < 0;
    [this.frames, this.spent, this.quick, this.mean] = [0, 0, 0, NaN];
    return true;
  }
}
