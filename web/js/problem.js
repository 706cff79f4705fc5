// What went wrong, in a person's words? Every failure has a code; every code
// has a sentence in both languages.

import { has, t } from './language.js';

export class Problem extends Error {
  constructor(code, { status = 0, errors = [] } = {}) {
    super(code);
    this.code = code;
    this.status = status;
    this.errors = errors;
  }
}

export function explain(problem) {
  const code = problem instanceof Problem ? problem.code : 'UNKNOWN';
  return t(has(`problem.${code}`) ? `problem.${code}` : 'problem.UNKNOWN');
}
