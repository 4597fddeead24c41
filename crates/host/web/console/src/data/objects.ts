import { useMemo } from 'react';
import { type EchoObject, META, type ObjectInfo, type QueryInput, type Query, type SchemaInfo, type Space } from '@dxos-rs/client';
import { useLoad, useStore } from './store.js';

/** An object as the protocol has it, with what is written here and not confirmed yet. */
export function infoOf(object: EchoObject): ObjectInfo {
  return object[META].info;
}

/** Follows a query for as long as the component is there. */
export function useObjects(space: Space, query: QueryInput): { objects: readonly EchoObject[]; loaded: boolean; error: Error | undefined } {
  const key = JSON.stringify(query);
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const live: Query = useMemo(() => space.db.query(query), [space, key]);
  const objects = useStore(live);
  const loaded = useStore(live.loaded);
  const error = useStore(live.error);
  return { objects, loaded, error };
}

/** The type of the objects in which a space keeps its schemas. */
export const SCHEMA_TYPE = 'dxos.org/type/Schema';

/** Whether an object is one of those that a space keeps for itself. */
export function isInternal(type: string): boolean {
  return type.startsWith(`${SCHEMA_TYPE}@`);
}

const NO_SCHEMAS: readonly SchemaInfo[] = [];

/** The schemas of a space, read again when one of them changes. */
export function useSchemas(space: Space): readonly SchemaInfo[] {
  const { objects } = useObjects(space, { type: SCHEMA_TYPE });
  const { value } = useLoad(() => space.schemas(), [space, objects]);
  return value ?? NO_SCHEMAS;
}

/**
 * How many objects a space has, without those that it keeps for itself: the one of its
 * properties, and its schemas.
 */
export function useObjectCount(space: Space): number | undefined {
  const { objects: all } = useStore(space.pipeline);
  const { objects: schemas, loaded } = useObjects(space, { type: SCHEMA_TYPE });
  return loaded ? Math.max(0, all - 1 - schemas.length) : undefined;
}
