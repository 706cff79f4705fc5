// Who is signed in? Cognito's hosted page with an authorization code and PKCE
// (RFC 7636). Access and ID token stay in memory; the refresh token lasts as
// long as the tab.

import { Problem } from './problem.js';
import { language } from './language.js';

const ATTEMPT = 'kickytime.signIn';
const REFRESH = 'kickytime.refreshToken';
const SCOPE = 'openid email profile';
// renewed this long before it expires
const EARLY_MS = 60_000;

let config;
let tokens;
let person = null;
let renewing = null;
const listeners = new Set();

export const user = () => person;
export const onChange = (listener) => listeners.add(listener);

export function setUser(changed) {
  person = changed;
}

function changed() {
  for (const listener of listeners) listener();
}

async function settings() {
  if (config) return config;
  let read;
  try {
    read = await fetch('/config.json', { cache: 'no-cache' });
    config = await read.json();
  } catch {
    throw new Problem('NO_CONFIG');
  }
  const base = config.authDomain ?? config.authorizeUrl ?? '';
  config.base = (base.includes('://') ? base : `https://${base}`).replace(/\/+$/, '');
  config.redirectUri ??= `${location.origin}/`;
  return config;
}

const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
  .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

// Leaves for the sign-in page.
export async function signIn(returnTo) {
  const { base, userPoolClientId, redirectUri } = await settings();
  const attempt = { state: random(), verifier: random(), returnTo };
  sessionStorage.setItem(ATTEMPT, JSON.stringify(attempt));
  const challenge = base64url(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(attempt.verifier)));
  const query = new URLSearchParams({
    response_type: 'code', client_id: userPoolClientId, redirect_uri: redirectUri, scope: SCOPE,
    state: attempt.state, code_challenge: challenge, code_challenge_method: 'S256', lang: language(),
  });
  location.assign(`${base}/oauth2/authorize?${query}`);
}

// Continues a sign-in that comes back, or the session of this tab. Returns
// where the person was before signing in.
export async function resume() {
  const query = new URLSearchParams(location.search);
  if (query.has('code') || query.has('error')) {
    // the code is good once: it does not stay in the address
    history.replaceState(null, '', location.pathname);
    return finish(query);
  }
  if (!sessionStorage.getItem(REFRESH)) return null;
  try {
    await renew();
    person = await account();
  } catch (problem) {
    // keep the session through an outage, end it when it is refused
    if (['UNAUTHORIZED', 'NOT_REGISTERED'].includes(problem.code)) forget();
    throw problem;
  }
  return null;
}

async function finish(query) {
  const attempt = JSON.parse(sessionStorage.getItem(ATTEMPT) ?? 'null');
  sessionStorage.removeItem(ATTEMPT);
  if (query.has('error')) {
    throw new Problem(query.get('error') === 'access_denied' ? 'SIGN_IN_CANCELED' : 'SIGN_IN_FAILED');
  }
  if (!attempt || attempt.state !== query.get('state')) throw new Problem('SIGN_IN_FAILED');
  const { redirectUri } = await settings();
  await exchange({
    grant_type: 'authorization_code', code: query.get('code'), redirect_uri: redirectUri, code_verifier: attempt.verifier,
  });
  person = await account();
  return attempt.returnTo;
}

async function exchange(fields) {
  const { base, userPoolClientId } = await settings();
  let answer;
  try {
    answer = await fetch(`${base}/oauth2/token`, {
      method: 'POST', body: new URLSearchParams({ client_id: userPoolClientId, ...fields }),
    });
  } catch {
    throw new Problem('NETWORK');
  }
  if (!answer.ok) {
    const refused = answer.status >= 400 && answer.status < 500;
    const code = fields.grant_type === 'refresh_token' ? 'UNAUTHORIZED' : 'SIGN_IN_FAILED';
    throw new Problem(refused ? code : 'UNAVAILABLE');
  }
  const body = await answer.json();
  tokens = { access: body.access_token, id: body.id_token, expires: Date.now() + body.expires_in * 1000 };
  if (body.refresh_token) sessionStorage.setItem(REFRESH, body.refresh_token);
}

// One renewal at a time, however many requests wait for it.
function renew() {
  const refresh_token = sessionStorage.getItem(REFRESH);
  if (!refresh_token) return Promise.reject(new Problem('UNAUTHORIZED'));
  renewing ??= exchange({ grant_type: 'refresh_token', refresh_token }).finally(() => { renewing = null; });
  return renewing;
}

// A good access token. `fresh`: the last one was refused.
export async function accessToken({ fresh = false } = {}) {
  if (fresh || !tokens || tokens.expires - EARLY_MS < Date.now()) await renew();
  return tokens.access;
}

// The account behind the tokens, made at the first sign-in.
async function account() {
  let answer;
  try {
    answer = await fetch('/api/users/signin-up', {
      method: 'POST', headers: { Authorization: `Bearer ${tokens.access}`, 'X-ID-Token': tokens.id },
    });
  } catch {
    throw new Problem('NETWORK');
  }
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({}));
  throw new Problem(problem.code ?? 'UNAVAILABLE', { status: answer.status });
}

function forget() {
  tokens = undefined;
  person = null;
  sessionStorage.removeItem(REFRESH);
}

// The session was refused: back to the welcome page.
export function expire() {
  forget();
  changed();
}

export async function signOut() {
  const { base, userPoolClientId, redirectUri } = await settings();
  const token = sessionStorage.getItem(REFRESH);
  forget();
  if (token) {
    // best effort: the page leaves in any case
    await fetch(`${base}/oauth2/revoke`, {
      method: 'POST', body: new URLSearchParams({ token, client_id: userPoolClientId }),
    }).catch(() => {});
  }
  location.assign(`${base}/logout?${new URLSearchParams({ client_id: userPoolClientId, logout_uri: redirectUri })}`);
}
