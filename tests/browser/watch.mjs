// In the page of the example, for its test: waits for pods, asks for more, and tells what it saw.

const told = { errors: [], first: [], then: [], frames: 0 };
const tell = () => fetch("told", { method: "POST", body: JSON.stringify(told) });
const fail = (why) => { told.errors.push(String(why)); tell(); };
addEventListener("error", (event) => fail(event.message));
addEventListener("unhandledrejection", (event) => fail(event.reason));

const rows = () => [...document.querySelectorAll("#pods tr")]
  .map((row) => [...row.cells].map((cell) => cell.textContent));

async function ready(count) {
  for (;;) {
    const found = rows();
    if (found.length === count && found.every((row) => row[3] === "ready")) return found;
    await new Promise((done) => setTimeout(done, 20));
  }
}

told.first = await ready(3);
const frame = () => { told.frames += 1; requestAnimationFrame(frame); };
requestAnimationFrame(frame);
const replicas = document.getElementById("replicas");
replicas.value = 5;
replicas.dispatchEvent(new Event("change"));
told.then = await ready(5);
told.state = document.getElementById("state").textContent;
await tell();
