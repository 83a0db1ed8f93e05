/** @import { DeskContext } from './context.js' */
import { t } from '../text/index.js';
import { byId } from '../view/dom.js';
import { applyLook } from '../view/look.js';

/** Sound, alarm and the device's preferences. @param {DeskContext} context */
export function wireShift({ actions, bell, device, screen, sound, toasts, wakeLock }) {
  const unlock = async () => {
    if (!sound.unlocked && (await sound.unlock())) wakeLock.set(device.now.stayAwake);
  };
  for (const gesture of ['pointerdown', 'keydown']) addEventListener(gesture, () => void unlock(), { capture: true });
  void unlock();
  byId('start-shift').addEventListener('click', async () => {
    device.set({ muted: false, volume: device.now.volume || 0.8 });
    if (!(await sound.unlock())) toasts.show({ kind: 'bad', text: t('settings.silent') });
    else if (bell.waiting.length === 0) sound.ring(false);
    wakeLock.set(device.now.stayAwake);
  });
  byId('mute').addEventListener('click', () => device.set({ muted: !device.now.muted }));
  byId('alarm-show').addEventListener('click', () => {
    if (bell.oldest) screen.reveal(bell.oldest.id);
  });
  byId('alarm-snooze').addEventListener('click', () => bell.snooze());
  byId('alarm-ack').addEventListener('click', async () => {
    const failed = await actions.acknowledgeAll(bell.waiting.map((card) => card.id));
    if (failed > 1) toasts.show({ kind: 'bad', text: t('failed.some', { n: failed }) });
    byId('orders').focus({ preventScroll: true });
  });
  addEventListener('storage', (event) => {
    if (event.key === 'orderbell.prefs') device.reload();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => applyLook(device.now));
}
