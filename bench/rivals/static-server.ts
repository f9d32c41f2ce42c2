/** The limit of a cached read: Fastify answering constant bytes, whatever is asked. */
import Fastify from 'fastify'

const body = process.env.BODY ?? ''
const app = Fastify()
app.get('/products/:id', (_request, reply) => {
  reply.type('application/json; charset=utf-8').send(body)
})
process.on('SIGTERM', () => app.close())
console.log(`${await app.listen({ host: '127.0.0.1', port: 0 })}/products`)
