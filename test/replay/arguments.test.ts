import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readArguments, UsageError } from '../../scripts/replay/arguments.ts'

test('the command line of the replay says what to do', () => {
  const nothingSaid = {
    file: 'history.csv',
    url: undefined,
    json: undefined,
    databaseUrl: undefined,
    brokerUrl: undefined,
    ownBroker: undefined,
    brokerOutageSeconds: 0,
    dataDir: undefined,
    eventFaults: [],
    opening: { atMost: undefined, share: undefined },
    kills: 0,
    seed: 1,
    concurrency: 8
  }
  assert.deepEqual(readArguments(['history.csv'], { DATABASE_URL: '', DATA_DIR: '' }), nothingSaid)
  const much = [
    'history.csv',
    '--delay',
    '--shuffle',
    '--duplicate',
    '--stock',
    '740',
    '--kills=20',
    '--seed',
    '3',
    '--json',
    'r.json'
  ]
  assert.deepEqual(readArguments([...much, '--concurrency', '4'], { DATA_DIR: '.data' }), {
    ...nothingSaid,
    json: 'r.json',
    dataDir: '.data',
    eventFaults: ['shuffle', 'duplicate', 'delay'],
    opening: { atMost: 740, share: undefined },
    kills: 20,
    seed: 3,
    concurrency: 4
  })
  const { opening } = readArguments(['history.csv', '--stock-share', '0.72'], {})
  assert.deepEqual(opening, { atMost: undefined, share: 0.72 })
  const { ownBroker, brokerOutageSeconds } = readArguments(['history.csv', '--broker', 'kafka', '--broker-outage', '60'], {})
  assert.deepEqual({ ownBroker, brokerOutageSeconds }, { ownBroker: 'kafka', brokerOutageSeconds: 60 })
  const running = readArguments(['history.csv', '--url', 'http://localhost:8080'], { DATABASE_URL: 'postgres://db' })
  assert.deepEqual([running.url, running.databaseUrl], ['http://localhost:8080', 'postgres://db'])
})

test('the command line of the replay refuses what it does not understand', () => {
  const refusals: [string[], RegExp][] = [
    [[], /Name one order history/],
    [['one.csv', 'two.csv'], /Name one order history/],
    [['one.csv', '--stock', 'few'], /--stock must be a whole number of at least 0, not few/],
    [['one.csv', '--stock-share', '2'], /--stock-share must be a number from 0 to 1, not 2/],
    [['one.csv', '--concurrency', '0'], /--concurrency must be a whole number of at least 1, not 0/],
    [['one.csv', '--kill', '3'], /Unknown option '--kill'/],
    [['one.csv', '--kills', '3', '--url', 'http://localhost:8080'], /leave out --url/],
    [['one.csv', '--url', 'http://localhost:8080'], /--url needs DATABASE_URL/],
    [['one.csv', '--broker', 'pigeons'], /--broker must be rabbitmq or kafka, not pigeons/],
    [['one.csv', '--broker-outage', '60'], /name it with --broker/]
  ]
  for (const [args, message] of refusals) {
    assert.throws(
      () => readArguments(args, {}),
      error => error instanceof UsageError && message.test(error.message),
      args.join(' ')
    )
  }
})
