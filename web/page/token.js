// SPDX-License-Identifier: MIT
// The token a page was opened with (?token=). It leaves the address bar and the tab's history at once, and stays in
// memory and in the tab's session storage, so that a reload and the other pages of this tab have it too.

const KEY = 'clairon.token';

// Session storage may be switched off: then a token lives as long as the page does.
function stored(env) {
  try {
    return env.sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function store(env, token) {
  try {
    if (token === null) {
      env.sessionStorage.removeItem(KEY);
    } else {
      env.sessionStorage.setItem(KEY, token);
    }
  } catch {
    // As above.
  }
}

// The token in the address, which it is taken out of; null when there is none.
function takeFromAddress(env) {
  const url = new URL(env.location.href);
  const token = url.searchParams.get('token');
  if (token !== null) {
    url.searchParams.delete('token');
    env.history.replaceState(env.history.state, '', url.href);
  }
  return token || null;
}

export function takeToken(env = globalThis) {
  const given = takeFromAddress(env);
  if (given) {
    store(env, given);
  }
  return given ?? stored(env);
}

// Where to go from a page that was refused: to the same one with the token of this tab, once. Null when there is none,
// or when that is what was refused; it is then forgotten.
export function retryUrl(env = globalThis) {
  if (takeFromAddress(env)) {
    store(env, null);
    return null;
  }
  const token = stored(env);
  return token && addToken(env.location.href, token);
}

export function addToken(address, token) {
  if (!token) {
    return address;
  }
  const [path, fragment] = address.split('#', 2);
  const full = `${path}${path.includes('?') ? '&' : '?'}token=${encodeURIComponent(token)}`;
  return fragment === undefined ? full : `${full}#${fragment}`;
}
