/**
 * What a careful service does without batching: one transaction per request, holding a unit of one row, with its reservation, its
 * idempotency record and its outbox row. Prepared statements, a pool of 32.
 */
import { randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import pg from 'pg'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 32 })
await pool.query(`
  create schema if not exists bench;
  create table bench.plain_stock (id integer primary key, on_hand integer not null, reserved integer not null default 0,
    check (reserved <= on_hand)) with (fillfactor = 50);
  create table bench.plain_reservation (id uuid primary key, stock_id integer not null, quantity integer not null);
  create table bench.idempotency (key text primary key, body text not null);
  create table bench.outbox (id bigint generated always as identity primary key, body text not null)
`)
await pool.query('insert into bench.plain_stock (id, on_hand) values (1, 2000000000)')

const statements = {
  update: 'update bench.plain_stock set reserved = reserved + 1 where id = 1 and on_hand - reserved >= 1',
  reservation: 'insert into bench.plain_reservation values ($1, 1, 1)',
  idempotency: 'insert into bench.idempotency values ($1, $2)',
  outbox: 'insert into bench.outbox (body) values ($1)'
}

const app = Fastify()
app.post('/reservations', async (request, reply) => {
  const id = randomUUID()
  const body = JSON.stringify({ reservationId: id, status: 'reserved' })
  const client = await pool.connect()
  const run = (name: keyof typeof statements, values: unknown[]) => client.query({ name, text: statements[name], values })
  try {
    await client.query('begin')
    await run('update', [])
    await run('reservation', [id])
    await run('idempotency', [request.headers['idempotency-key'], body])
    await run('outbox', [body])
    await client.query('commit')
  } finally {
    client.release()
  }
  return reply.code(201).type('application/json').send(body)
})
process.on('SIGTERM', async () => {
  await app.close()
  await pool.end()
})
console.log(`${await app.listen({ host: '127.0.0.1', port: 0 })}/reservations`)
