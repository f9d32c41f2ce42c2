/**
 * The only way to the Kafka library. Of the library it takes the wire: connections, TLS and SASL, versions of requests and their encoding.
 * Groups, fetching and producing are ours, because what must hold (drain before a partition moves, order across retries, a
 * result for each message) is not in the library's own clients; see docs/decisions/0016-kafka-by-its-protocol.md.
 */
import {
  Base,
  type createTopicsV7,
  type fetchV17,
  type findCoordinatorV6,
  type heartbeatV4,
  type initProducerIdV5,
  type joinGroupV9,
  kGetApi,
  type leaveGroupV5,
  type listOffsetsV9,
  type metadataV12,
  NumericMap,
  type offsetCommitV9,
  type offsetFetchV9,
  type produceV11,
  protocolErrors,
  protocolErrorsCodesById,
  type syncGroupV5
} from '@platformatic/kafka'
import { parseKafkaUrl } from './kafka-address.ts'
import { type BrokerTls, brokerTls } from './tls.ts'

export {
  cooperativeStickyAssigner,
  decodeConsumerProtocolAssignment,
  decodeConsumerProtocolSubscription,
  encodeConsumerProtocolAssignment,
  encodeConsumerProtocolSubscription,
  type RecordsBatch
} from '@platformatic/kafka'

/** The requests we make, as their newest version has them; the library translates for older brokers. */
type Apis = {
  CreateTopics: typeof createTopicsV7.api
  Fetch: typeof fetchV17.api
  FindCoordinator: typeof findCoordinatorV6.api
  Heartbeat: typeof heartbeatV4.api
  InitProducerId: typeof initProducerIdV5.api
  JoinGroup: typeof joinGroupV9.api
  LeaveGroup: typeof leaveGroupV5.api
  ListOffsets: typeof listOffsetsV9.api
  Metadata: typeof metadataV12.api
  OffsetCommit: typeof offsetCommitV9.api
  OffsetFetch: typeof offsetFetchV9.api
  Produce: typeof produceV11.api
  SyncGroup: typeof syncGroupV5.api
}
type ArgumentsOf<Api> = Api extends { async: (connection: never, ...args: infer Arguments) => unknown } ? Arguments : never
type ReplyOf<Api> = Api extends { async: (...args: never[]) => Promise<infer Reply> } ? Exclude<Reply, boolean> : never

/** How a cluster is reached; as in `BrokerOptions`. */
export type KafkaClientOptions = {
  url: string
  applicationName?: string
  username?: string
  password?: string
  saslMechanism?: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
  tls?: BrokerTls
}

export type KafkaNode = { host: string; port: number }
type Connection = Parameters<Apis['Fetch']['async']>[0]

/** Connections to the brokers of a cluster, one to each. A broker answers the requests of a connection one after another. */
export interface KafkaClient extends AsyncDisposable {
  /** Where to ask before anything is known of the cluster. */
  readonly bootstrap: readonly KafkaNode[]
  /**
   * Sends a request and resolves with its reply, whatever codes of errors that holds. Rejects when there is no reply within the time;
   * then the connection is broken, so that nothing sent before can arrive after what is sent next.
   */
  request<Name extends keyof Apis>(
    name: Name,
    node: KafkaNode,
    withinMs: number,
    ...args: ArgumentsOf<Apis[Name]>
  ): Promise<ReplyOf<Apis[Name]>>
  /** The version of a request that both sides know, once one was sent. */
  versionOf(name: keyof Apis): number
}

const CONNECT_TIMEOUT_MS = 5_000
/** Every request has a shorter time of its own. */
const LONGEST_REQUEST_MS = 120_000

/** Opens no connection yet. */
export function openKafkaClient(options: KafkaClientOptions): KafkaClient {
  const address = parseKafkaUrl(options.url)
  const { username = address.username, password = address.password, saslMechanism: mechanism = 'SCRAM-SHA-512' } = options
  const base = new Base({
    clientId: (options.applicationName ?? 'product-service').replace(/\s+/g, '-'),
    bootstrapBrokers: address.brokers,
    retries: 0,
    connectTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: LONGEST_REQUEST_MS,
    ...(username === undefined ? {} : { sasl: { mechanism, username, password: password ?? '' } }),
    ...(address.secure ? { tls: brokerTls(options.tls) } : {})
  })
  const { connections } = base
  const versions = new Map<string, number>()
  // A connection may fail more than once, and a failure that nobody hears would end the process.
  connections.on('connecting', ({ connection }) => connection.on('error', () => {}))

  return {
    bootstrap: address.brokers,
    versionOf: name => versions.get(name) ?? 0,
    request(name, node, withinMs, ...args) {
      type Reply = ReplyOf<Apis[typeof name]>
      const { promise, resolve, reject } = Promise.withResolvers<Reply>()
      let connection: Connection | undefined
      const timer = setTimeout(() => {
        reject(new Error(`Kafka at ${node.host}:${node.port} did not answer ${name} within ${withinMs} ms`))
        const silent = connection ? [connection] : Array.from(connections, ([, each]) => each)
        for (const each of silent) each.socket?.destroy()
      }, withinMs)
      const answer = (error: Error | null | undefined, reply?: unknown) => {
        clearTimeout(timer)
        const response = reply ?? (error as { response?: unknown } | null)?.response
        if (response === undefined || response === null) reject(new Error(reasonOf(error), { cause: error }))
        else resolve(response as Reply)
      }
      connections.get(node, (error, established) => {
        if (error || !established) return answer(error)
        connection = established
        base[kGetApi]<unknown[], unknown>(name, (error, api) => {
          if (error || !api) return answer(error)
          versions.set(name, api.version)
          try {
            api(established, ...args, answer)
          } catch (error) {
            answer(error as Error)
          }
        })
      })
      return promise
    },
    async [Symbol.asyncDispose]() {
      await base.close()
    }
  }
}

/** What the library counts sequence numbers in, by `topic:partition`. */
export function openSequences(): NumericMap {
  return new NumericMap()
}

/** What Kafka calls an error. */
export function errorName(code: number): string {
  return protocolErrorsCodesById[code as keyof typeof protocolErrorsCodesById] ?? `error ${code}`
}

/** Whether an error may pass by itself. */
export function isTransient(code: number): boolean {
  return protocolErrors[errorName(code) as keyof typeof protocolErrors]?.canRetry === true
}

/** The library wraps what went wrong several times; the innermost says it. */
function reasonOf(error: unknown): string {
  const { message, cause, errors } = (error ?? {}) as { message?: string; cause?: unknown; errors?: unknown[] }
  const inner = cause ?? errors?.[0]
  if (inner && (message === undefined || !/authentication failed/i.test(message)))
    return `${message ?? ''} ${reasonOf(inner)}`.trim()
  return message || 'the connection was lost'
}
