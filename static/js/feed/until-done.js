/** @import { Answer } from '../api.js' */
import { backoff } from './backoff.js';

/**
 * Repeats a request until it succeeds, with growing pauses. A call while it runs starts no second one. A 401 ends it: the
 * stream tells the tab that it was signed out.
 * @param {() => Promise<Answer>} fetch
 * @param {(body: any) => void} take
 * @param {(run: () => void, ms: number) => unknown} [wait]
 */
export function untilDone(fetch, take, wait = setTimeout) {
  let running = false;
  let failures = 0;
  const attempt = async () => {
    const { status, body } = await fetch();
    if (status !== 200 && status !== 401) {
      failures += 1;
      wait(attempt, backoff(failures, 1000, Math.random));
      return;
    }
    running = false;
    failures = 0;
    if (status === 200) take(body);
  };
  return () => {
    if (running) return;
    running = true;
    void attempt();
  };
}
