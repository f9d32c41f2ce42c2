/** A broker's server that tests have started for themselves, and therefore may crash. */
export type BrokerServer = AsyncDisposable & {
  /** What `openBroker` is given. */
  url: string
  /** As a power cut would: SIGKILL, nothing is flushed. Resolves when it is gone. */
  kill(): Promise<void>
  /** Starts it again on its data and its address; resolves when it takes clients. */
  start(): Promise<void>
}
