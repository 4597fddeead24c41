import type { EchoProperties, EchoValue, Json, SchemaInfo } from '@dxos-rs/client';
import { labelOf } from '../ui/format.js';
import { kindOf, type ValueKind } from './values.js';

/** One property, as a form shows it. */
export interface FieldSpec {
  readonly name: string;
  readonly label: string;
  /** What it takes; `any` where nothing says it. */
  readonly kind: ValueKind | 'choice' | 'any';
  readonly required: boolean;
  readonly hint: string | undefined;
  /** Of a choice: what there is to choose from. */
  readonly choices: readonly EchoValue[];
  readonly minimum: number | undefined;
  readonly maximum: number | undefined;
  readonly maxLength: number | undefined;
}

type Keywords = { [key: string]: Json };

const SPECIAL: Record<string, ValueKind> = {
  '@text': 'text',
  '@time': 'time',
  '@ref': 'reference',
  '@counter': 'counter',
  '@set': 'set',
  '@bytes': 'bytes',
};

function keywords(json: Json | undefined): Keywords | undefined {
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? json : undefined;
}

/** Follows a reference within a schema, a few steps at most. */
function follow(json: Json | undefined, root: Keywords): Keywords | undefined {
  let found = keywords(json);
  for (let steps = 0; steps < 8; steps += 1) {
    const reference = found?.$ref;
    if (typeof reference !== 'string' || !reference.startsWith('#/')) break;
    const parts = reference.slice(2).split('/');
    found = keywords(parts.reduce<Json | undefined>((at, part) => keywords(at)?.[part], root));
  }
  return found;
}

/** Of a schema that allows null beside one other thing, that thing. */
function beside(found: Keywords, root: Keywords): Keywords {
  const options = found.anyOf ?? found.oneOf;
  if (Array.isArray(options)) {
    const others = options.map((one) => follow(one, root)).filter((one) => one !== undefined && one.type !== 'null');
    if (others.length === 1 && others[0]) return { ...found, ...others[0], anyOf: null, oneOf: null };
  }
  return found;
}

function kindOfSchema(found: Keywords): FieldSpec['kind'] {
  if (Array.isArray(found.enum)) return 'choice';
  const properties = keywords(found.properties);
  const names = properties ? Object.keys(properties) : [];
  const special = names.length === 1 && names[0] !== undefined ? SPECIAL[names[0]] : undefined;
  if (special) return special;
  const types = (Array.isArray(found.type) ? found.type : [found.type]).filter((type) => type !== 'null');
  if (types.length !== 1) return 'any';
  switch (types[0]) {
    case 'boolean':
      return 'flag';
    case 'integer':
    case 'number':
      return 'number';
    case 'string':
      return 'string';
    case 'array':
      return 'list';
    case 'object':
      return 'map';
    default:
      return 'any';
  }
}

const asNumber = (json: Json | undefined) => (typeof json === 'number' ? json : undefined);
const asString = (json: Json | undefined) => (typeof json === 'string' ? json : undefined);

/** What names an object comes first, what is needed next, and long texts last. */
function rank(field: FieldSpec): number {
  if (field.name === 'title' || field.name === 'name') return 0;
  return field.kind === 'text' ? 3 : field.required ? 1 : 2;
}

/** The properties that a schema names; their order in it is not kept by the space. */
export function fieldsOfSchema(schema: Json | undefined): FieldSpec[] {
  const root = keywords(schema) ?? {};
  const properties = keywords(root.properties) ?? {};
  const required = Array.isArray(root.required) ? root.required : [];
  const fields = Object.entries(properties).map(([name, json]): FieldSpec => {
    const found = beside(follow(json, root) ?? {}, root);
    const choices = Array.isArray(found.enum) ? (found.enum as EchoValue[]).filter((choice) => choice !== null) : [];
    return {
      name,
      label: asString(found.title) ?? labelOf(name),
      kind: kindOfSchema(found),
      required: required.includes(name),
      hint: asString(keywords(json)?.description) ?? undefined,
      choices,
      minimum: asNumber(found.minimum),
      maximum: asNumber(found.maximum),
      maxLength: asNumber(found.maxLength),
    };
  });
  return fields.sort((one, other) => rank(one) - rank(other));
}

/** The properties that objects have, as fields; those of a schema come first. */
export function fieldsOf(schema: Json | undefined, examples: readonly EchoProperties[]): FieldSpec[] {
  const fields = fieldsOfSchema(schema);
  const known = new Set(fields.map((field) => field.name));
  for (const properties of examples) {
    for (const [name, value] of Object.entries(properties)) {
      if (known.has(name) || value === null) continue;
      known.add(name);
      fields.push(plainField(name, kindOf(value)));
    }
  }
  return fields.sort((one, other) => rank(one) - rank(other));
}

/** A property of which only its kind is known. */
export function plainField(name: string, kind: FieldSpec['kind']): FieldSpec {
  return {
    name,
    label: labelOf(name),
    kind,
    required: false,
    hint: undefined,
    choices: [],
    minimum: undefined,
    maximum: undefined,
    maxLength: undefined,
  };
}

/** The schema of a type, that of its latest version if the type has none. */
export function schemaOf(schemas: readonly SchemaInfo[], type: string): SchemaInfo | undefined {
  const exact = schemas.find((schema) => schema.type === type);
  if (exact) return exact;
  const versions = schemas.filter((schema) => schema.type.split('@')[0] === type.split('@')[0]);
  return versions.sort((one, other) => one.type.localeCompare(other.type, 'en', { numeric: true })).pop();
}

/** What is wrong with a value, for people; undefined when nothing is. */
export function problemOf(field: FieldSpec, value: EchoValue | undefined): string | undefined {
  const missing = value === undefined || value === null || value === '';
  if (missing) return field.required ? 'This is needed.' : undefined;
  if (field.kind === 'number' && typeof value === 'number') {
    if (field.minimum !== undefined && value < field.minimum) return `At least ${field.minimum}.`;
    if (field.maximum !== undefined && value > field.maximum) return `At most ${field.maximum}.`;
  }
  if (typeof value === 'string' && field.maxLength !== undefined && value.length > field.maxLength) {
    return `At most ${field.maxLength} characters.`;
  }
  return undefined;
}

const time = { type: 'object', properties: { '@time': { type: 'integer' } }, required: ['@time'], additionalProperties: false };
const text = {
  type: 'object',
  properties: { '@text': { type: ['string', 'array', 'object'] } },
  required: ['@text'],
  additionalProperties: false,
};

/** The type of the documents that the console makes. */
export const DOCUMENT = 'dxos.org/type/Document@0.1.0';

/** Types that a new space is offered. All of their texts are searched by an index. */
export const STARTERS: readonly SchemaInfo[] = [
  {
    type: 'dxos.org/type/Task@0.1.0',
    schema: {
      title: 'Task',
      type: 'object',
      'x-echo-text': true,
      properties: {
        title: { type: 'string', maxLength: 500 },
        done: { type: 'boolean' },
        due: time,
        priority: { enum: ['low', 'normal', 'high'] },
        notes: text,
      },
      required: ['title'],
    },
  },
  {
    type: 'dxos.org/type/Contact@0.1.0',
    schema: {
      title: 'Contact',
      type: 'object',
      'x-echo-text': true,
      properties: {
        name: { type: 'string', maxLength: 200 },
        email: { type: 'string', maxLength: 320 },
        phone: { type: 'string', maxLength: 60 },
        met: time,
        notes: text,
      },
      required: ['name'],
    },
  },
  {
    type: DOCUMENT,
    schema: {
      title: 'Document',
      type: 'object',
      'x-echo-text': true,
      properties: { title: { type: 'string', maxLength: 500 }, content: text },
      required: ['title'],
    },
  },
];
