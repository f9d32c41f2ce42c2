/** Works on items in their order, at most `atOnce` at a time. After a failure nothing new is begun; it is thrown when all has ended. */
export async function inOrder<Item>(items: Iterable<Item>, atOnce: number, work: (item: Item) => Promise<void>): Promise<void> {
  const left = Iterator.from(items)
  let failed = false
  const workers = Array.from({ length: atOnce }, async () => {
    for (let next = left.next(); !next.done && !failed; next = left.next()) {
      try {
        await work(next.value)
      } catch (error) {
        failed = true
        throw error
      }
    }
  })
  await Promise.allSettled(workers)
  await Promise.all(workers)
}
