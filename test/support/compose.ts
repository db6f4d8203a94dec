/** A compose file, as far as ours go: a key that is not here is a fault, not something to pass over. */
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { load, YAML11_SCHEMA } from 'js-yaml';
import { type Static, Type } from 'typebox';
import { Compile } from 'typebox/schema';

const closed = { additionalProperties: false };
const words = Type.Array(Type.String());

const serviceSchema = Type.Object(
  {
    image: Type.String(),
    build: Type.Optional(
      Type.Object({ context: Type.String(), dockerfile: Type.String(), target: Type.String() }, closed),
    ),
    entrypoint: Type.Optional(words),
    command: Type.Optional(words),
    user: Type.Optional(Type.String()),
    init: Type.Optional(Type.Boolean()),
    read_only: Type.Optional(Type.Boolean()),
    cap_drop: Type.Optional(words),
    cap_add: Type.Optional(words),
    security_opt: Type.Optional(words),
    network_mode: Type.Optional(Type.String({ pattern: '^service:' })),
    networks: Type.Optional(Type.Object({ default: Type.Object({ aliases: words }, closed) }, closed)),
    ports: Type.Optional(words),
    volumes: Type.Optional(words),
    depends_on: Type.Optional(
      Type.Record(
        Type.String(),
        Type.Object(
          {
            condition: Type.Union([
              Type.Literal('service_started'),
              Type.Literal('service_healthy'),
              Type.Literal('service_completed_successfully'),
            ]),
          },
          closed,
        ),
      ),
    ),
  },
  closed,
);

const composeSchema = Type.Object({
  name: Type.String(),
  services: Type.Record(Type.String(), serviceSchema),
  volumes: Type.Optional(Type.Record(Type.String(), Type.Null())),
});

export type ComposeService = Static<typeof serviceSchema>;

export interface Compose {
  /** Where relative paths begin. */
  readonly folder: string;
  readonly services: ReadonlyMap<string, ComposeService>;
}

const compiledSchema = Compile(composeSchema);

/** Throws what is wrong with the file. Merges (`<<`) are YAML 1.1's, as compose reads them. */
export function readCompose(file: string): Compose {
  const read = load(readFileSync(file, 'utf8'), { schema: YAML11_SCHEMA });
  if (!compiledSchema.Check(read)) {
    const [, errors] = compiledSchema.Errors(read);
    const faults = errors.map(({ instancePath, message }) => `${instancePath} ${message}`);
    throw new Error(`${file}: ${faults.join('; ')}`);
  }
  return { folder: dirname(file), services: new Map(Object.entries(read.services)) };
}

/** The service in whose network namespace this one runs. */
export function namespaceOf(name: string, { services }: Compose): string {
  return services.get(name)?.network_mode?.replace('service:', '') ?? name;
}

/** In an order in which each comes after those it depends on and after the one whose namespace it shares. */
export function startOrder(compose: Compose): readonly string[] {
  const order: string[] = [];
  const visit = (name: string, waiting: readonly string[]): void => {
    if (waiting.includes(name)) throw new Error([...waiting, name].join(' waits for '));
    if (order.includes(name)) return;
    const service = compose.services.get(name);
    if (service === undefined) throw new Error(`${waiting.at(-1)}: there is no service ${name}`);
    const before = [namespaceOf(name, compose), ...Object.keys(service.depends_on ?? {})];
    for (const other of before.filter((one) => one !== name)) visit(other, [...waiting, name]);
    order.push(name);
  };
  for (const name of compose.services.keys()) visit(name, []);
  return order;
}
