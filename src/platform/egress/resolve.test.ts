import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { openNameServers, resolveBySystem } from './resolve.ts'

const TYPES = { a: 1, aaaa: 28 }

/** A name server that has these addresses for every name, or keeps silent about a type. */
async function startNameServer(answers: { a?: number[][]; aaaa?: number[][] }) {
  const socket = createSocket('udp4')
  socket.on('message', (question, { port, address }) => {
    const end = question.indexOf(0, 12) + 5
    const type = question.readUInt16BE(end - 4)
    const found = type === TYPES.a ? answers.a : answers.aaaa
    if (!found) return
    const header = Buffer.from(question.subarray(0, 12))
    header.writeUInt16BE(0x8180, 2)
    header.writeUInt16BE(found.length, 6)
    header.writeUInt16BE(0, 8)
    header.writeUInt16BE(0, 10)
    const records = found.map(bytes => {
      const record = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, bytes.length])
      return Buffer.concat([record, Buffer.from(bytes)])
    })
    socket.send(Buffer.concat([header, question.subarray(12, end), ...records]), port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return { server: `127.0.0.1:${socket.address().port}`, [Symbol.dispose]: () => socket.close() }
}

test('a name has the addresses of both families, so that all of them can be checked', async () => {
  using names = await startNameServer({
    a: [
      [93, 184, 216, 34],
      [10, 0, 0, 1]
    ],
    aaaa: [[0x20, 1, 13, 184, ...Array(11).fill(0), 1]]
  })
  assert.deepEqual(await openNameServers([names.server])('hooks.example.com'), [
    { address: '93.184.216.34', family: 4 },
    { address: '10.0.0.1', family: 4 },
    { address: '2001:db8::1', family: 6 }
  ])
})

test('a name without addresses of one family has those of the other, and one without any has none', async () => {
  using some = await startNameServer({ a: [[93, 184, 216, 34]], aaaa: [] })
  assert.deepEqual(await openNameServers([some.server])('hooks.example.com'), [{ address: '93.184.216.34', family: 4 }])
  using none = await startNameServer({ a: [], aaaa: [] })
  assert.deepEqual(await openNameServers([none.server])('hooks.example.com'), [])
})

test('a name of this machine is unknown to name servers, and known where private addresses are allowed', async () => {
  using none = await startNameServer({ a: [], aaaa: [] })
  assert.deepEqual(await openNameServers([none.server])('localhost'), [])
  assert.ok((await resolveBySystem('localhost')).length > 0)
})
