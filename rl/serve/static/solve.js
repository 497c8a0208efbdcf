// Talks to the server: plain requests, and the events of a search.

export class ServerError extends Error {
  // What the server says of a request that it does not answer: a sentence, and the field that it is about.
  constructor(status, { message, param }) {
    super(message);
    this.status = status;
    this.param = param;
  }
}

export class LostError extends Error {}

export async function get(path, key) {
  const response = await answered(fetch(path, { headers: headers(key) }));
  return response.json();
}

// The events of a search, one after the other, its answer the last; `body` is JSON.
export async function* solve(body, key, signal) {
  const request = { method: "POST", body, signal, headers: headers(key) };
  const response = await answered(fetch("v1/solve", request));
  let ended = false;
  for await (const data of dataOf(response.body, signal)) {
    ended = data === "[DONE]";
    if (ended) break;
    const event = JSON.parse(data);
    if (event.error) throw new ServerError(500, event.error);
    yield event;
  }
  if (!ended) throw new LostError("the connection was lost");
}

async function answered(request) {
  const response = await request.catch((error) => {
    throw error.name === "AbortError" ? error : new LostError("the server does not answer");
  });
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  throw new ServerError(response.status, said.error ?? { message: `the server answered ${response.status}` });
}

function headers(key) {
  const found = { "Content-Type": "application/json" };
  if (key) found.Authorization = `Bearer ${key}`;
  return found;
}

// The data of server-sent events; comments, which keep the connection alive, are left out.
async function* dataOf(stream, signal) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read().catch((error) => {
      throw signal.aborted ? error : new LostError("the connection was lost");
    });
    if (done) return;
    const parts = (text + value).split("\n\n");
    text = parts.pop();
    for (const part of parts) if (part.startsWith("data: ")) yield part.slice(6);
  }
}
