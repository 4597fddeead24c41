/**
 * React hooks for `@dxos-rs/client`. All of them render again when what they give is something
 * else, and only then; the client follows on its host what is on screen, and nothing more.
 *
 * @packageDocumentation
 */
export * from './client.js';
export * from './halo.js';
export * from './invitation.js';
export * from './objects.js';
export * from './provider.js';
export * from './queue.js';
export * from './space.js';
export { useStore } from './store.js';
