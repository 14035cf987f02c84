// Loads Pyodide and Roost from beside this file, and runs cluster.py.
import { loadPyodide } from "./pyodide/pyodide.mjs";

const python = await loadPyodide();
const packages = await (await fetch("packages.zip")).arrayBuffer();
python.unpackArchive(packages, "zip", { extractDir: "/packages" });
python.runPython('import sys; sys.path.insert(0, "/packages")');
await python.runPythonAsync(await (await fetch("cluster.py")).text());
