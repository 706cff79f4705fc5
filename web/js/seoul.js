// When is it, where the matches are played? Always Asia/Seoul, whatever the
// clock of the device says.

import { locale } from './language.js';

const format = (options) => new Intl.DateTimeFormat(locale(), { timeZone: 'Asia/Seoul', ...options });

export const day = (iso) => format({ day: 'numeric' }).formatToParts(new Date(iso)).find((part) => part.type === 'day').value;
export const month = (iso) => format({ month: 'short' }).format(new Date(iso));
export const weekday = (iso) => format({ weekday: 'short' }).format(new Date(iso));
export const time = (iso) => format({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(new Date(iso));
export const whole = (iso) => format({ month: 'long', day: 'numeric', weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(new Date(iso));
export const date = (iso) => format({ month: 'short', day: 'numeric' }).format(new Date(iso));
export const weekend = (iso) => ['Sat', 'Sun'].includes(new Intl.DateTimeFormat('en', { timeZone: 'Asia/Seoul', weekday: 'short' }).format(new Date(iso)));

// For a datetime-local field: Seoul's wall clock, `minutes` from now.
export function wallClock(minutes = 0) {
  const SEOUL_OFFSET_MINUTES = 540;
  return new Date(Date.now() + (minutes + SEOUL_OFFSET_MINUTES) * 60000).toISOString().slice(0, 16);
}
