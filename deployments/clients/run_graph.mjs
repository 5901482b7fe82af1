// Runs a build's graph without Python and compares with its golden rows: node run_graph.mjs BUILD
//
// Needs the npm package onnxruntime-node and nothing of Slipway. It is also the recipe for any other language: strings
// and moments are the only fields that are not plain numbers. Exit code 0 if every answer is within its tolerance.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ort from "onnxruntime-node";

const [folder] = process.argv.slice(2);
if (!folder) {
  console.error("usage: node run_graph.mjs BUILD");
  process.exit(2);
}
const read = (name) => JSON.parse(readFileSync(join(folder, name), "utf8"));
const [contract, golden, manifest] = ["contract.json", "golden.json", "manifest.json"].map(read);
const fields = new Map(contract.fields.map((field) => [field.name, field]));

// Seconds since 1970-01-01 in the contract's own time: a moment without an offset must not be read as local time.
const seconds = (text) => {
  const [, whole, fraction = ""] = /^([^.]*)(?:\.(\d+))?$/.exec(text);
  return Date.parse(whole.includes("T") ? `${whole}Z` : whole) / 1000 + Number(`0.${fraction || "0"}`);
};

// "" and NaN stand for a missing value.
const tensor = (field, rows) => {
  const values = rows.map((row) => row[field.name]);
  if (field.dtype === "string") return new ort.Tensor("string", values.map((value) => value ?? ""), [rows.length]);
  const isMoment = field.dtype === "datetime" || field.dtype === "date";
  const numbers = values.map((value) => (value === null ? NaN : isMoment ? seconds(value) : Number(value)));
  return new ort.Tensor("float64", Float64Array.from(numbers), [rows.length]);
};

const session = await ort.InferenceSession.create(join(folder, "model.onnx"));
const feeds = Object.fromEntries(session.inputNames.map((name) => [name, tensor(fields.get(name), golden.rows)]));
const output = (await session.run(feeds))[session.outputNames[0]].data;
const width = golden.columns.length;
let worst = 0;
golden.answers.forEach((answer, row) =>
  answer.forEach((expected, column) => {
    const difference = Math.abs(output[row * width + column] - expected);
    worst = Number.isNaN(difference) ? Infinity : Math.max(worst, difference);
  }),
);
if (!(worst <= golden.tolerance)) {
  console.error(`build ${manifest.build_id}: an answer is off by ${worst}, tolerance ${golden.tolerance}`);
  process.exit(1);
}
console.log(`build ${manifest.build_id}: ${golden.rows.length} golden rows answered, off by ${worst} at most`);
