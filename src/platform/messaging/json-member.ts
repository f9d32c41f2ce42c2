/**
 * The text of one member of a JSON object, as it stands there: what was signed, byte for byte, although it travels inside of
 * something else. The text must be valid JSON; of a name that stands twice it is the last, as `JSON.parse` has it.
 */
export function memberText(text: string, name: string): string | undefined {
  let depth = 0
  let key: string | undefined
  let start = -1
  let found: string | undefined
  const end = (at: number) => {
    if (start >= 0 && key === name) found = text.slice(start, at).trim()
    start = -1
    key = undefined
  }
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!
    if (char === '"') {
      const from = i
      while (++i < text.length && text[i] !== '"') if (text[i] === '\\') i++
      if (depth === 1 && start < 0) key = JSON.parse(text.slice(from, i + 1))
    } else if (char === '{' || char === '[') depth++
    else if (char === '}' || char === ']') {
      if (--depth === 0) end(i)
    } else if (depth === 1 && char === ':') start = i + 1
    else if (depth === 1 && char === ',') end(i)
  }
  return found
}
