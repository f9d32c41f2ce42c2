/** Connections to RabbitMQ: who we are, over what, and in plain words why it did not come about. The door to amqplib. */
import { type ChannelModel, connect } from 'amqplib'
import type { BrokerLog } from './broker.ts'
import { type BrokerTls, brokerTls } from './tls.ts'

export type RabbitMqOptions = {
  url: string
  log?: BrokerLog
  applicationName?: string
  username?: string
  password?: string
  tls?: BrokerTls
}

export type RabbitMqConnection = {
  model: ChannelModel
  /** Aborts when the connection is gone; its reason says why. */
  lost: AbortSignal
  /** Why RabbitMQ takes no messages from it now, such as `low on memory`. */
  readonly blocked: string | undefined
  /** Counts it as lost at once, whatever the other end thinks. */
  abandon(reason: Error): void
}

/** One connection at a time, opened when it is asked for and again after it was lost. */
export type Link = AsyncDisposable & {
  /** Rejects when the broker is away. */
  connection(): Promise<RabbitMqConnection>
}

/** A peer that fell silent is noticed after two to three of these. */
const HEARTBEAT_SECONDS = 5
const CONNECT_TIMEOUT_MS = 10_000
const CLOSE_TIMEOUT_MS = 2_000

/** `purpose` is what RabbitMQ shows behind the application's name: publishing and consuming have a connection each, since it blocks publishers. */
export function openLink(options: RabbitMqOptions, purpose: string): Link {
  let current: RabbitMqConnection | undefined
  let opening: Promise<RabbitMqConnection> | undefined
  let closed = false

  return {
    connection() {
      if (closed) return Promise.reject(new Error('the broker was closed'))
      if (current && !current.lost.aborted) return Promise.resolve(current)
      opening ??= open(options, purpose)
        .then(connection => {
          current = connection
          return connection
        })
        .finally(() => {
          opening = undefined
        })
      return opening
    },
    async [Symbol.asyncDispose]() {
      closed = true
      const last = (await opening?.catch(() => undefined)) ?? current
      if (last && !last.lost.aborted) await within(CLOSE_TIMEOUT_MS, last.model.close()).catch(() => {})
    }
  }
}

/** Resolves as the work does, or rejects when it takes longer. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`RabbitMQ has not answered for ${ms / 1000} s`)), ms)
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}

async function open(options: RabbitMqOptions, purpose: string): Promise<RabbitMqConnection> {
  const target = targetOf(options)
  const { hostname, port, username, vhost } = target
  const lost = new AbortController()
  try {
    const model = await connect(
      { ...target, heartbeat: HEARTBEAT_SECONDS },
      {
        ...brokerTls(options.tls),
        noDelay: true,
        keepAlive: true,
        keepAliveDelay: HEARTBEAT_SECONDS * 1000,
        timeout: CONNECT_TIMEOUT_MS,
        clientProperties: { connection_name: `${options.applicationName ?? 'broker'} ${purpose}` }
      }
    )
    // What breaks a connection is told as an error first, and only some of it again when it closes.
    model.on('error', error => lost.abort(error))
    model.on('close', error => lost.abort(error ?? new Error('the connection was closed')))
    let blocked: string | undefined
    model.on('blocked', reason => {
      blocked = reason
    })
    model.on('unblocked', () => {
      blocked = undefined
    })
    return {
      model,
      lost: lost.signal,
      get blocked() {
        return blocked
      },
      abandon(reason) {
        lost.abort(reason)
        model.close().catch(() => {})
      }
    }
  } catch (error) {
    const where = `${hostname}:${port}`
    const text = describe(error)
    const plain = /ACCESS.REFUSED/.test(text)
      ? `it refuses the user '${username}' or the password: check BROKER_URL, BROKER_USERNAME and BROKER_PASSWORD`
      : /vhost|Expected ConnectionOpenOk/.test(text)
        ? `the user '${username}' may not use the virtual host '${vhost}', or it is not there`
        : text
    throw new Error(`RabbitMQ at ${where} cannot be reached: ${plain}`, { cause: error })
  }
}

function targetOf({ url, username, password }: RabbitMqOptions) {
  const given = new URL(url)
  const protocol = given.protocol.slice(0, -1)
  const anonymous = given.username === '' && given.password === ''
  return {
    protocol,
    hostname: given.hostname.replace(/^\[|\]$/g, ''),
    port: Number(given.port || (protocol === 'amqps' ? 5671 : 5672)),
    username: username ?? (anonymous ? 'guest' : decodeURIComponent(given.username)),
    password: password ?? (anonymous ? 'guest' : decodeURIComponent(given.password)),
    vhost: decodeURIComponent(given.pathname.slice(1)) || '/'
  }
}

/** The words of an error, without the stack; of several tries, of each. */
export function describe(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(describe).join('; ')
  return error instanceof Error ? error.message : String(error)
}
