/** A table that messages are appended to, 500 in a statement, and read from behind a cursor. */
import pg from 'pg'
import type { Message } from '#broker/broker.ts'
import { batchesOf, IN_FLIGHT, type RawBroker } from './raw-broker.ts'

export async function openRawPostgres(url: string): Promise<RawBroker> {
  const client = new pg.Client(url)
  await client.connect()
  await client.query(`create schema if not exists raw; drop table if exists raw.messages, raw.cursor;
    create table raw.messages (position bigint generated always as identity primary key, key text, headers jsonb, body bytea);
    create table raw.cursor as select 0::bigint as position`)
  return {
    async publish(messages) {
      for (const batch of batchesOf(messages)) {
        await client.query({
          name: 'append',
          text: 'insert into raw.messages (key, headers, body) select * from unnest($1::text[], $2::jsonb[], $3::bytea[])',
          values: columns(batch)
        })
      }
    },
    async consume(count) {
      let position = 0
      for (let read = 0; read < count; ) {
        const text = 'select position, key, headers, body from raw.messages where position > $1 order by position limit $2'
        const { rows } = await client.query({ name: 'read', text, values: [position, IN_FLIGHT] })
        if (rows.length === 0) throw new Error(`only ${read} of ${count} messages are there`)
        read += rows.length
        position = Number(rows.at(-1).position)
        await client.query({ name: 'move', text: 'update raw.cursor set position = $1', values: [position] })
      }
    },
    [Symbol.asyncDispose]: () => client.end()
  }
}

function columns(batch: readonly Message[]): unknown[] {
  return [
    batch.map(message => message.key),
    batch.map(message => JSON.stringify(message.headers)),
    batch.map(message => Buffer.from(message.body))
  ]
}
