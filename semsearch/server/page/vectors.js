// Vectors as files.
import { toTable } from "./csv.js";

export const toJson = ({ model, dimensions, texts, vectors }) =>
  `${JSON.stringify({ model, dimensions, texts, vectors })}\n`;

export function toCsv({ dimensions, texts, vectors }) {
  const head = ["text", ...Array.from({ length: dimensions }, (_, at) => `v${at}`)];
  return toTable(
    head,
    texts.map((text, at) => [text, ...vectors[at]]),
  );
}

/** The format of NumPy's files, version 1.0: float32, little-endian, one row for each text. */
export function toNpy({ dimensions, vectors }) {
  const described = `{'descr': '<f4', 'fortran_order': False, 'shape': (${vectors.length}, ${dimensions}), }`;
  const header = `${described.padEnd(Math.ceil((10 + described.length + 1) / 64) * 64 - 11)}\n`;
  const bytes = new Uint8Array(10 + header.length + vectors.length * dimensions * 4);
  bytes.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, header.length & 255, header.length >> 8]);
  bytes.set(new TextEncoder().encode(header), 10);
  const view = new DataView(bytes.buffer, 10 + header.length);
  vectors.forEach((vector, row) =>
    vector.forEach((value, at) => view.setFloat32((row * dimensions + at) * 4, value, true)),
  );
  return bytes;
}
