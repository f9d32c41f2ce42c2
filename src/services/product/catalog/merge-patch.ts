/** JSON Merge Patch (RFC 7396): null removes a member, objects merge, anything else replaces. The target is left as it is. */
export function mergePatch<Target extends object>(target: Target, patch: object): Target {
  const merged = { ...target } as Record<string, unknown>
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name]
    else if (isObject(value)) merged[name] = mergePatch(isObject(merged[name]) ? merged[name] : {}, value)
    else merged[name] = value
  }
  return merged as Target
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
