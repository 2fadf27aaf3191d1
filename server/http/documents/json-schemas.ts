import * as z from 'zod/mini';
import { Grant } from '../../../contract/access.ts';
import { WireError } from '../../../contract/errors.ts';
import { StockSnapshot } from '../../../contract/events.ts';
import {
  DisplayPolicy,
  FullRow,
  StockHeartbeat,
  StockLevel,
  StockLevels,
  ViewerRow,
} from '../../../contract/levels.ts';
import { ItemInfo, LivestreamInfo, PurchaseLimits, SalePolicy, SpecValue } from '../../../contract/livestreams.ts';
import {
  Order,
  OrderAnswer,
  OrderForOperator,
  PaymentCallback,
  PaymentOutcome,
  PlaceOrder,
} from '../../../contract/orders.ts';
import { Text } from '../../../contract/primitives.ts';
import { AuditAnswer, SkuStockAnswer } from '../../../contract/routes.ts';

/** As much of JSON Schema 2020-12 as the contract's schemas use. */
export type JsonSchema = {
  readonly type?: string | readonly string[];
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly prefixItems?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly [key: string]: unknown;
};

/** Schemas that both documents refer to by name. */
const named = {
  AuditAnswer,
  DisplayPolicy,
  FullRow,
  Grant,
  ItemInfo,
  LivestreamInfo,
  Order,
  OrderAnswer,
  OrderForOperator,
  PaymentCallback,
  PaymentOutcome,
  PlaceOrder,
  PurchaseLimits,
  SalePolicy,
  SkuStockAnswer,
  SpecValue,
  StockHeartbeat,
  StockLevel,
  StockLevels,
  StockSnapshot,
  Text,
  ViewerRow,
  WireError,
} as const;

export const schemaPrefix = '#/components/schemas/';

/**
 * Collects the JSON Schemas (2020-12) of a document: `refer` gives a schema's own text with references to the named ones, and
 * `components` holds every named schema that was referred to.
 */
export function createSchemaCollector() {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(named)) registry.add(schema, { id });
  const components: Record<string, JsonSchema> = {};

  /** `input`: what a client may send (defaults are optional) · `output`: what it gets (it must tolerate more fields than these). */
  function refer(schema: z.ZodMiniType, io: 'input' | 'output'): JsonSchema {
    // A named schema at the root would be written out; inside another one it becomes a reference.
    const wrapped = z.toJSONSchema(z.object({ root: schema }), { metadata: registry, io, unrepresentable: 'throw' });
    const text = JSON.stringify(wrapped).replaceAll('"#/$defs/', `"${schemaPrefix}`);
    const { properties, $defs = {} } = JSON.parse(text) as {
      properties: { root: JsonSchema };
      $defs?: Record<string, JsonSchema>;
    };
    for (const [name, definition] of Object.entries($defs)) components[name] = tidy(definition, io);
    return tidy(properties.root, io);
  }

  return { refer, components };
}

/** Drops what says nothing to a reader: ids of the generator, the greatest safe integer, and `additionalProperties` of answers. */
function tidy(schema: JsonSchema, io: 'input' | 'output'): JsonSchema {
  const text = JSON.stringify(schema, (key, value: unknown) => {
    if (key === '$schema' || key === 'id' || key === '$id') return typeof value === 'string' ? undefined : value;
    if (key === 'maximum' && value === Number.MAX_SAFE_INTEGER) return undefined;
    if (key === 'minimum' && value === Number.MIN_SAFE_INTEGER) return undefined;
    if (key === 'additionalProperties' && value === false && io === 'output') return undefined;
    return value;
  });
  return JSON.parse(text) as JsonSchema;
}
