/** A file as it arrives: in pieces that know nothing of what is in them. */
export async function* pieces(file: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < file.length; at += size) yield file.subarray(at, at + size)
}

/** In pieces of the sizes given, and the rest in one. */
export async function* inChunks(file: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0
  for (const size of sizes) {
    yield file.subarray(at, at + size)
    at += size
  }
  yield file.subarray(at)
}

export async function gathered<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}
