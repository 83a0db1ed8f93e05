// Browsers throttle the timers of background tabs, but not those of workers; the alarm needs the latter.
setInterval(() => self.postMessage(0), 500);
