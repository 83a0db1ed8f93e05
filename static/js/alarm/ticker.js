/**
 * Calls `tick` twice a second, also in background tabs.
 * @param {() => void} tick
 */
export function startTicker(tick) {
  const fallBack = () => void setInterval(tick, 500);
  if (typeof Worker !== 'function') return fallBack();
  try {
    const worker = new Worker(new URL('./ticker-worker.js', import.meta.url));
    worker.onmessage = tick;
    worker.onerror = fallBack;
  } catch {
    fallBack();
  }
}
