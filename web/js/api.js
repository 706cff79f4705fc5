// How is the service asked? With the access token, and again when asking again
// is safe.

import { Problem } from './problem.js';
import * as session from './session.js';

const RETRIES = 2;
const PAUSE_MS = 400;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export async function authorized(path, options = {}) {
  const send = async (fresh) => {
    const headers = { ...options.headers, Authorization: `Bearer ${await session.accessToken({ fresh })}` };
    try {
      return await fetch(path, { ...options, headers });
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new Problem('NETWORK');
    }
  };
  const answer = await send(false);
  return answer.status === 401 ? send(true) : answer;
}

async function once(method, path, { body, headers = {} }) {
  const options = { method, headers: { ...headers } };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers['Content-Type'] = 'application/json';
  }
  const answer = await authorized(path, options);
  if (answer.status === 204) return { body: null, answer };
  const read = await answer.json().catch(() => null);
  if (answer.ok) return { body: read, answer };
  throw new Problem(read?.code ?? (answer.status >= 500 ? 'UNAVAILABLE' : 'UNKNOWN'), {
    status: answer.status, errors: read?.errors ?? [],
  });
}

// `safe`: doing it twice is doing it once, so a lost answer may be asked for again.
async function request(method, path, { safe = method === 'GET', ...options } = {}) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await once(method, path, options);
    } catch (problem) {
      const passing = ['NETWORK', 'UNAVAILABLE', 'TIMEOUT'].includes(problem.code);
      if (['UNAUTHORIZED', 'NOT_REGISTERED'].includes(problem.code)) session.expire();
      if (!safe || !passing || attempt >= RETRIES) throw problem;
      await pause(PAUSE_MS * 2 ** attempt);
    }
  }
}

const json = async (...asked) => (await request(...asked)).body;

// The page after this one, from the Link header (RFC 8288).
const next = (answer) => answer.headers.get('Link')?.match(/<([^>]+)>;\s*rel="next"/)?.[1] ?? null;

export async function listMatches(path = '/api/matches') {
  const { body, answer } = await request('GET', path);
  return { matches: body, next: next(answer) };
}

export const myMatches = () => json('GET', '/api/matches/me');
export const joinMatch = (id) => json('POST', `/api/matches/${id}/participants`, {
  safe: true, headers: { 'Idempotency-Key': crypto.randomUUID() },
});
export const leaveMatch = (id) => json('DELETE', `/api/matches/${id}/participants`);
export const createMatch = (body) => json('POST', '/api/matches', { body });
export const cancelMatch = (id) => json('POST', `/api/matches/${id}/cancel`, { safe: true });
export const deleteMatch = (id) => json('DELETE', `/api/matches/${id}`);
export const participants = (id) => json('GET', `/api/matches/${id}/participants`);
export const changeProfile = (body) => json('PUT', '/api/users/me', { body, safe: true });
export const deleteAccount = () => json('DELETE', '/api/users/me');
