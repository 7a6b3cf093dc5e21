// A picture of any size in tiles, each with as much around it as the model looks.

export interface Span {
  /** Where the tile begins and ends in the picture, with what is around it. */
  read: [number, number];
  /** The part of the picture that it answers for. */
  write: [number, number];
}

export interface Tile {
  x: Span;
  y: Span;
}

/** Of a tile, in pixels: small enough for any device, large enough that borders cost little. */
export const SIDE = 1024;

const CUBIC = 4; // pixels that enlarging reads on top

/** How far around itself a tile reads, a multiple of the model's grid. */
export function halo(radius: number, grid: number, times: number): number {
  return Math.ceil((radius + (times > 1 ? CUBIC : 0)) / grid) * grid;
}

/** Along one side; tiles begin on the grid, and all read as much where the side is long enough. */
export function spans(side: number, around: number, grid: number, size = SIDE): Span[] {
  const largest = Math.max(Math.floor(size / grid), 1) * grid;
  const count = Math.ceil(side / largest);
  const step = Math.ceil(side / (count * grid)) * grid;
  const found: Span[] = [];
  for (let start = 0; start < side; start += step) {
    const end = Math.min(start + step, side);
    found.push({
      read: [Math.max(start - around, 0), Math.min(end + around, side)],
      write: [start, end],
    });
  }
  return found;
}

/** All tiles of a picture, row by row. */
export function tiles(width: number, height: number, around: number, grid: number): Tile[] {
  const columns = spans(width, around, grid);
  return spans(height, around, grid).flatMap((y) => columns.map((x) => ({ x, y })));
}
