// What changes while we look? Server-sent events, read through fetch because
// EventSource cannot send an Authorization header. While the stream is down
// the list is polled.

import { authorized } from './api.js';

const SILENCE_MS = 40_000; // the service says something every 15 s
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
const POLL_MS = 10_000;

// Calls `on.match(match)`, `on.gone({id})`, `on.resync()`, `on.connected(bool)`
// until the returned function is called.
export function follow(on) {
  const stop = new AbortController();
  let connected = false;
  const poll = setInterval(() => {
    if (!connected && !document.hidden) on.resync();
  }, POLL_MS);
  const connection = (now) => {
    if (now !== connected) on.connected(connected = now);
  };

  (async () => {
    for (let pause = FIRST_PAUSE_MS; !stop.signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        await read(on, stop.signal, () => {
          pause = FIRST_PAUSE_MS;
          connection(true);
        });
      } catch { /* whatever it was, the remedy is the same */ }
      connection(false);
      // not all at once when the service comes back
      await sleep(pause * (0.5 + Math.random() / 2), stop.signal);
    }
  })();

  return () => {
    clearInterval(poll);
    stop.abort();
  };
}

async function read(on, signal, opened) {
  const silence = new AbortController();
  let timer;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), SILENCE_MS);
  };
  alive();
  try {
    const answer = await authorized('/api/matches/events', { signal: AbortSignal.any([signal, silence.signal]) });
    if (!answer.ok || !answer.body) return;
    opened();
    // whatever happened while nobody listened
    on.resync();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      alive();
      const frames = (rest + value).split('\n\n');
      rest = frames.pop();
      for (const frame of frames) dispatch(on, frame);
    }
  } finally {
    clearTimeout(timer);
  }
}

function dispatch(on, frame) {
  const lines = frame.split('\n');
  const field = (name) => lines.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).trimStart());
  const [event] = field('event');
  if (event && on[event]) on[event](JSON.parse(field('data').join('\n')));
}

function sleep(ms, signal) {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      done();
    }, { once: true });
  });
}
