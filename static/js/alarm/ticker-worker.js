// A worker's timers are not held back when its tab is in the background; the alarm's clock must not be either.
setInterval(() => self.postMessage(0), 500);
