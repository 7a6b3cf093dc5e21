import assert from "node:assert/strict";
import { test } from "node:test";
import { halo, spans, tiles } from "../src/pictures/tiles";

test("tiles cover a side once, begin on the grid and read what is around them", () => {
  for (const side of [1, 5, 1023, 1024, 1025, 8192, 8661]) {
    for (const grid of [1, 2, 3]) {
      const found = spans(side, 8 * grid, grid);
      assert.equal(found[0]!.write[0], 0);
      assert.equal(found.at(-1)!.write[1], side);
      for (const [index, { read, write }] of found.entries()) {
        if (index) assert.equal(write[0], found[index - 1]!.write[1]);
        assert.equal(read[0] % grid, 0);
        assert.equal(read[0], Math.max(write[0] - 8 * grid, 0));
        assert.equal(read[1], Math.min(write[1] + 8 * grid, side));
      }
    }
  }
});

test("a picture of 50 megapixels is many tiles, a small one a single tile", () => {
  assert.equal(tiles(8660, 5774, 8, 2).length, 9 * 6);
  assert.equal(tiles(640, 360, 8, 2).length, 1);
});

test("the halo is a multiple of the grid that holds the radius", () => {
  assert.equal(halo(7, 2, 1), 8);
  assert.equal(halo(8, 2, 1), 8);
  assert.equal(halo(10, 3, 3), 15);
});
