/** Who we are to Kafka, and whom we believe to be Kafka. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { noOwnKafka } from '../../test/support/brokers.ts'
import { type Certificates, makeCertificates } from '../../test/support/certificates.ts'
import { type KafkaServer, startKafka } from '../../test/support/kafka-server.ts'
import { names, numbered, recording, until } from './conformance-kit.ts'
import { openKafkaBroker } from './kafka.ts'
import type { BrokerOptions } from './open.ts'

const PASSWORD = 'p@ss:word/1'

describe('Kafka behind TLS and SASL', { skip: noOwnKafka, timeout: 400_000 }, () => {
  let folder: string
  let server: KafkaServer
  let certificates: Certificates
  let hosts: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kafka-certificates-'))
    certificates = await makeCertificates(folder)
    const { ca, cert, key } = certificates.files
    const identity = join(folder, 'identity.pem')
    await writeFile(identity, (await readFile(key, 'utf8')) + (await readFile(cert, 'utf8')))
    server = await startKafka({
      protocol: 'SASL_SSL',
      users: { shop: PASSWORD },
      settings: {
        'ssl.keystore.type': 'PEM',
        'ssl.keystore.location': identity,
        'ssl.truststore.type': 'PEM',
        'ssl.truststore.location': ca,
        'listener.name.clients.ssl.client.auth': 'required'
      }
    })
    hosts = server.url.replace('kafka://', '')
  })
  after(async () => {
    await server?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  const trusted = (): Pick<BrokerOptions, 'tls'> => ({ tls: { ca: certificates.ca, ...certificates.client } })

  for (const saslMechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const) {
    test(`messages are carried with ${saslMechanism}, on every connection`, async () => {
      const url = `kafkas://shop:${encodeURIComponent(PASSWORD)}@${hosts}`
      await using broker = await openKafkaBroker({ url, saslMechanism, ...trusted() })
      const { topic, group } = names()
      const reader = recording({ topic, group })
      await using _ = await broker.subscribe(reader)
      await broker.publish(numbered(topic, 20, n => `${n}`))
      await until('all have arrived', () => reader.got.length === 20)
    })
  }

  test('credentials beside the URL count instead of those in it', async () => {
    const url = `kafkas://nobody:nothing@${hosts}`
    await using _ = await openKafkaBroker({ url, username: 'shop', password: PASSWORD, ...trusted() })
  })

  const refusals: Record<string, { options: () => Partial<BrokerOptions>; says: RegExp }> = {
    'a wrong password': { options: () => ({ password: 'wrong-secret', ...trusted() }), says: /authentication failed/i },
    'a wrong password with PLAIN': {
      options: () => ({ password: 'wrong-secret', saslMechanism: 'PLAIN', ...trusted() }),
      says: /authentication failed/i
    },
    'an authority that we do not know': { options: () => ({ tls: certificates.client }), says: /certificate/i },
    'no certificate of our own': {
      options: () => ({ tls: { ca: certificates.ca } }),
      says: /certificate|alert|ECONNRESET|closed/i
    },
    'no TLS': { options: () => ({ url: `kafka://${hosts}` }), says: /TLS|closed|lost/i }
  }
  for (const [fault, { options, says }] of Object.entries(refusals)) {
    test(`${fault} is said plainly at opening, without the password`, async () => {
      const opening = openKafkaBroker({ url: `kafkas://${hosts}`, username: 'shop', password: PASSWORD, ...options() })
      await assert.rejects(opening, error => {
        assert.match(String(error), /the Kafka broker cannot be opened: /)
        assert.match(String(error), says)
        assert.doesNotMatch(String(error), /wrong-secret|p@ss/)
        return true
      })
    })
  }
})
