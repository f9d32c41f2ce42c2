/** Something to wait for that may ring before one waits. */
export type Bell = {
  ring(): void
  rung(): Promise<void>
}

export function openBell(): Bell {
  let bell = Promise.withResolvers<void>()
  return {
    ring: () => bell.resolve(),
    async rung() {
      await bell.promise
      bell = Promise.withResolvers()
    }
  }
}
