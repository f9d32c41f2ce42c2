/** `Shoes > Trail` as a path of categories, from the top down. */
export function pathsOf(category: string | undefined): string[][] | undefined {
  const names = (category ?? '').split('>').map(name => name.trim())
  const path = names.filter(name => name !== '')
  return path.length === 0 ? undefined : [path]
}
