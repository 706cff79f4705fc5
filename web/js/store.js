// What do we know of the matches? One copy, kept current by the event stream;
// views subscribe to it.

import * as api from './api.js';
import { follow } from './live.js';

const CLOCK_MS = 15_000;

const known = new Map();
const joined = new Set();
const busy = new Set();
const listeners = new Set();
let next = null;
let state = 'loading';
let failure = null;
let live = false;
let unfollow = null;
let clock = null;

export const subscribe = (listener) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};
const tell = () => listeners.forEach((listener) => listener());

export const isLive = () => live;
export const status = () => ({ state, failure, hasMore: next !== null });
export const isJoined = (id) => joined.has(id);
export const isBusy = (id) => busy.has(id);

// A match closes by itself when its time comes, also between two messages.
function current(match) {
  const over = Date.parse(match.matchDateTime) <= Date.now();
  return over && ['OPEN', 'FULL'].includes(match.matchStatus) ? { ...match, matchStatus: 'CLOSED' } : match;
}

const byTime = (a, b) => Date.parse(a.matchDateTime) - Date.parse(b.matchDateTime) || a.id - b.id;
const all = () => [...known.values()].map(current);
export const upcoming = () => all().filter((match) => ['OPEN', 'FULL'].includes(match.matchStatus)).sort(byTime);
export const past = () => all().filter((match) => ['CLOSED', 'CANCELED'].includes(match.matchStatus)).sort(byTime).reverse();

export function start() {
  if (unfollow) return;
  clock = setInterval(tell, CLOCK_MS);
  load();
  unfollow = follow({
    match: (match) => {
      // while our own join or leave is under way, its answer decides
      if (busy.has(match.id)) return;
      known.set(match.id, match);
      tell();
    },
    gone: ({ id }) => {
      known.delete(id);
      joined.delete(id);
      tell();
    },
    resync: () => load(),
    connected: (now) => {
      live = now;
      tell();
    },
  });
}

export function stop() {
  unfollow?.();
  unfollow = null;
  clearInterval(clock);
  known.clear();
  joined.clear();
  state = 'loading';
  live = false;
}

// Reads everything anew. Asked for while reading, it reads once more: what is
// on its way may be older than the reason for asking.
let loading = null;
let again = false;
// counts our own joins and leaves, begun and ended
let seated = 0;
export function load() {
  again = true;
  loading ??= (async () => {
    while (again) {
      again = false;
      await read();
    }
    loading = null;
  })();
  return loading;
}

async function read() {
  const before = seated;
  try {
    const [list, mine] = await Promise.all([api.listMatches(), api.myMatches()]);
    if (before !== seated) {
      // half of it is from before, half from after
      again = true;
      return;
    }
    known.clear();
    for (const match of list.matches) known.set(match.id, match);
    joined.clear();
    for (const match of mine.matches) joined.add(match.id);
    next = list.next;
    state = 'ready';
    failure = null;
  } catch (problem) {
    failure = problem;
    if (state !== 'ready') state = 'failed';
  }
  tell();
}

export async function loadMore() {
  const page = await api.listMatches(next);
  for (const match of page.matches) known.set(match.id, match);
  next = page.next;
  tell();
}

export function put(match) {
  known.set(match.id, match);
  tell();
}

export function remove(id) {
  known.delete(id);
  joined.delete(id);
  tell();
}

// Shows the outcome before it is certain and takes it back when it is not.
async function seat(id, change, ask) {
  if (busy.has(id)) return;
  const before = known.get(id);
  const wasJoined = joined.has(id);
  busy.add(id);
  seated += 1;
  if (before) {
    const currentPlayers = before.currentPlayers + change;
    const matchStatus = currentPlayers >= before.maxPlayers ? 'FULL' : 'OPEN';
    known.set(id, { ...before, currentPlayers, matchStatus });
  }
  if (change > 0) joined.add(id);
  else joined.delete(id);
  tell();
  try {
    await ask(id);
  } catch (problem) {
    if (before) known.set(id, before);
    if (wasJoined || problem.code === 'ALREADY_JOINED') joined.add(id);
    else joined.delete(id);
    if (problem.code === 'NOT_JOINED') joined.delete(id);
    throw problem;
  } finally {
    busy.delete(id);
    seated += 1;
    tell();
    // what it looks like now, after us and everybody else
    load();
  }
}

export const join = (id) => seat(id, 1, api.joinMatch);
export const leave = (id) => seat(id, -1, api.leaveMatch);
