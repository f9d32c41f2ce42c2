/** The usual careful service: Fastify, a pool of ten, prepared statements, stored documents as text. One by its id, or the first 20 after an id. */
import Fastify from 'fastify'
import pg from 'pg'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 })
await pool.query(`
  create schema bench;
  create table bench.document as select product_id as id, document::text from product.products;
  alter table bench.document add primary key (id)`)
await pool.query('vacuum analyze bench.document')

const app = Fastify()
app.get('/products/:id', async (request, reply) => {
  const { id } = request.params as { id: string }
  const { rows } = await pool.query({ name: 'one', text: 'select document from bench.document where id = $1', values: [id] })
  if (rows.length === 0) return reply.code(404).send()
  return reply.type('application/json; charset=utf-8').send(rows[0].document)
})
const FIRST = '00000000-0000-0000-0000-000000000000'
app.get('/products', async (request, reply) => {
  const { after = FIRST } = request.query as { after?: string }
  const text = 'select document from bench.document where id > $1 order by id limit 20'
  const { rows } = await pool.query({ name: 'list', text, values: [after] })
  return reply.type('application/json; charset=utf-8').send(`{"data":[${rows.map(row => row.document).join(',')}]}`)
})
process.on('SIGTERM', async () => {
  await app.close()
  await pool.end()
})
console.log(`${await app.listen({ host: '127.0.0.1', port: 0 })}/products`)
