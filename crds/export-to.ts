/** Kubernetes' Service has no `exportTo`: Istio's annotation says it, in entries between commas. */
export const exportToAnnotation = 'networking.istio.io/exportTo';

/** The entries that the annotation's value lists; an empty value lists none, as in Istio. */
export function parseExportTo(text: string): string[] {
  return text === '' ? [] : text.split(',').map((entry) => entry.trim());
}
