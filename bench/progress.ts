/** Whoever waits for longer than two seconds sees that something happens. On standard error: the tables are the output. */
const LINE_EVERY_MS = 2000

const started = performance.now()

export function say(text: string): void {
  const seconds = String(Math.round((performance.now() - started) / 1000)).padStart(4)
  process.stderr.write(`${seconds} s  ${text}\n`)
}

/** Says every two seconds what is going on, until disposed; `state` tells how far it is. */
export function saying(what: string, state = () => ''): Disposable {
  const since = performance.now()
  const timer = setInterval(() => {
    const passed = Math.round((performance.now() - since) / 1000)
    say([`  ${what} …`, state(), `(${passed} s)`].filter(Boolean).join(' '))
  }, LINE_EVERY_MS)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
