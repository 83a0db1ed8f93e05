/** @import { FromHub, ToHub } from './hub.js' */
import { Hub, realWorld } from './hub.js';

/** @type {Map<MessagePort, string>} */
const ports = new Map();

const hub = new Hub(realWorld(), (message) => {
  for (const port of ports.keys()) port.postMessage(message);
});

/** @type {any} */ (self).onconnect = (/** @type {MessageEvent} */ event) => {
  const port = event.ports[0];
  ports.set(port, '');
  port.onmessage = ({ data }) => {
    const message = /** @type {ToHub} */ (data);
    if (message.t === 'leave') {
      ports.delete(port);
      port.close();
      // A frozen worker that the tabs have left must close its stream when it wakes.
      if (ports.size === 0) hub.rest();
      return;
    }
    if (message.t === 'hello') ports.set(port, message.tab);
    hub.hear(message, (/** @type {FromHub} */ reply) => port.postMessage(reply));
  };
};
