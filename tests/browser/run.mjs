// Runs a Python program in Pyodide, the Python of web pages: what it prints is printed, how it ends is
// how this ends. Usage: node run.mjs PLAN, a JSON object:
//   mounts   folders of this machine that the program sees: {"/there": "/here"}
//   path     where it imports from
//   cache    where compiled modules are kept
//   program  the file that it is
//   argv     its arguments
//   awaits   whether the page's own event loop runs its `main`, with the arguments
//   seed     of the order of sets
// Facts for the reader's log go to the standard error: one JSON object with times in milliseconds.

import { writeSync } from "node:fs";
import process from "node:process";
import { loadPyodide } from "pyodide";

const plan = JSON.parse(process.argv[2]);
const began = performance.now();
const python = await loadPyodide({
  enableRunUntilComplete: false,
  env: { HOME: "/", PYTHONHASHSEED: plan.seed },
});
const loaded = performance.now();

// Bytes as they are: the histories of two worlds are compared.
python.setStdout({ write: (bytes) => (writeSync(1, bytes), bytes.length) });

for (const [there, here] of Object.entries(plan.mounts)) {
  python.FS.mkdirTree(there);
  python.FS.mount(python.FS.filesystems.NODEFS, { root: here }, there);
}
python.globals.set("plan", python.toPy(plan));
let code = python.runPython(`
import runpy, sys

sys.path[:0] = plan["path"]
sys.pycache_prefix = plan["cache"]
sys.argv = [plan["program"], *plan["argv"]]
code = 0
try:
    found = runpy.run_path(plan["program"], run_name="page" if plan["awaits"] else "__main__")
except SystemExit as end:
    code = end.code if isinstance(end.code, int) else int(end.code is not None)
sys.stdout.flush()
code
`);
if (plan.awaits) {
  code = await python.runPythonAsync('await found["main"](*plan["argv"])');
}
const done = performance.now();
console.error(JSON.stringify({ loaded_ms: loaded - began, ran_ms: done - loaded }));
process.exitCode = code;
