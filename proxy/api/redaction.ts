/** Configuration as people may see it: what is secret in it says so instead. */

/** Fields that Envoy marks as sensitive, in the spelling of the wire and in ours. */
const secretFields: ReadonlySet<string> = new Set(['private_key', 'privateKey', 'password']);
/** Where a DataSource has its text; the path of a file is no secret. */
const textFields: ReadonlySet<string> = new Set(['inline_bytes', 'inline_string', 'text']);

/** A copy of `json` in which keys and passwords that stand in it read `[redacted]`, as in Envoy's config_dump. */
export function redactSecrets(json: unknown): unknown {
  return redact(json, false);
}

function redact(json: unknown, isSecret: boolean): unknown {
  if (typeof json !== 'object' || json === null || json instanceof Set || json instanceof Map) return json;
  if (Array.isArray(json)) return json.map((item) => redact(item, isSecret));
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) =>
      isSecret && textFields.has(name)
        ? [name, '[redacted]']
        : [name, redact(value, isSecret || secretFields.has(name))],
    ),
  );
}
