/** @import { Desk, Happenings } from './desk.js' */
/** @import { Status } from './feed/types.js' */
/** @import { Bearings, FromHub } from './tabs/hub.js' */
import { allOrders, ordersSince } from './api.js';
import { untilDone } from './feed/until-done.js';
import { remember } from './prefs.js';
import { byOwnClock } from './tabs/follow.js';

/** Takes in what the server tells: messages of the stream, and orders that this tab has to fetch. */
export class Intake {
  /** @param {{desk: Desk, digest: (happenings: Happenings) => void, drawStatus: () => void}} options */
  constructor({ desk, digest, drawStatus }) {
    this.desk = desk;
    this.digest = digest;
    this.drawStatus = drawStatus;
    const { limit, window } = desk.state;
    const fetchAll = () => allOrders(limit ?? window);
    /** Fetches what this tab has missed of the stream. A page from before the first snapshot has no cursor. */
    this.catchUp = untilDone(
      () => (desk.follower.cursor ? ordersSince(desk.follower.cursor) : fetchAll()),
      (body) => this.take(desk.caughtUp(body)),
    );
    /** Fetches the orders that the page left out. */
    this.fetchRest = untilDone(fetchAll, (body) => this.take(desk.fill(body)));
  }

  /** @param {Happenings} happenings */
  take(happenings) {
    if (happenings.gap) this.catchUp();
    if (happenings.marked.length > 0) remember('marks', this.desk.marks);
    this.digest(happenings);
  }

  /** @param {FromHub} message */
  hear(message) {
    const { desk } = this;
    switch (message.t) {
      case 'welcome':
        this.#status(message.status, message.at);
        if (desk.follower.isBehind(message.cursor)) this.catchUp();
        return;
      case 'status':
        return this.#status(message.status, message.at);
      case 'pulse':
        // The hub's clock and this tab's drift apart when either of them sleeps.
        if (message.at) desk.status = byOwnClock(desk.status, message.at, desk.clock());
        return;
      case 'news':
        this.take(desk.hear(message.news));
        if (message.news.type === 'cards') remember('seen', desk.follower.cursor);
    }
  }

  /** @param {Status} status @param {Bearings} at */
  #status(status, at) {
    this.desk.status = byOwnClock(status, at, this.desk.clock());
    this.drawStatus();
  }
}
