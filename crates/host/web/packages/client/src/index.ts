/**
 * The client of a DXOS host, for browsers and Node.
 *
 * @packageDocumentation
 */
export type * from './api/archive.js';
export type * from './api/client.js';
export type * from './api/halo.js';
export * from './api/invitation.js';
export type * from './api/mesh.js';
export * from './api/object.js';
export type * from './api/queue.js';
export type * from './api/space.js';
export type * from './api/store.js';
export { Client } from './client.js';
export { derive, until } from './core/store.js';
export { applyOp, changeAt, isEqual, valueAt } from './echo/change.js';
export { compareObjects, compareValues, finds } from './echo/filter.js';
export { newObjectId } from './echo/id.js';
export { joinPath, parsePath } from './echo/path.js';
export { querySpec } from './echo/query.js';
export { Counter, decode, encode, encodeProperties, Ref, Text } from './echo/values.js';
export * from './errors.js';
export * from './generated/protocol.js';
export { VERSION } from './version.js';
