/** An authority of our own with a certificate for 127.0.0.1 and one for a client, made anew by openssl. */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

export type Certificates = {
  /** Paths, for a server. */
  files: { ca: string; cert: string; key: string }
  /** PEM texts, for a client. */
  ca: string
  client: { cert: string; key: string }
}

/** PEM texts, and the files that they are in. */
export type Issued = { cert: string; key: string; files: { cert: string; key: string } }

const usages = {
  server: 'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth',
  client: 'extendedKeyUsage=clientAuth',
  /** A service that others call and that calls others. */
  both: 'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth',
  /** Of an address that is not ours. */
  elsewhere: 'subjectAltName=DNS:elsewhere.example\nextendedKeyUsage=serverAuth'
}

/** Makes them in this folder. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const file = (name: string) => join(folder, name)
  await openssl('req', '-x509', ...newKey(file('ca.key')), '-out', file('ca.pem'), '-days', '2', '-subj', '/CN=Authority of a test')
  const server = await issue(folder, 'server', 'server')
  const { cert, key } = await issue(folder, 'client', 'client')
  return { files: { ca: file('ca.pem'), ...server.files }, ca: await readFile(file('ca.pem'), 'utf8'), client: { cert, key } }
}

/** One more certificate of the authority in this folder. It is valid for two days, or was until yesterday. */
export async function issue(folder: string, name: string, usage: keyof typeof usages, expired = false): Promise<Issued> {
  const file = (name: string) => join(folder, name)
  const files = { cert: file(`${name}.pem`), key: file(`${name}.key`) }
  await writeFile(file(`${name}.extensions`), usages[usage])
  await openssl('req', ...newKey(files.key), '-out', file(`${name}.request`), '-subj', `/CN=${name}`)
  const authority = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', expired ? '-1' : '2']
  const request = ['-req', '-in', file(`${name}.request`), '-extfile', file(`${name}.extensions`)]
  await openssl('x509', ...request, ...authority, '-out', files.cert)
  return { cert: await readFile(files.cert, 'utf8'), key: await readFile(files.key, 'utf8'), files }
}

const openssl = (...args: readonly string[]) => promisify(execFile)('openssl', args, { timeout: 30_000 })

const newKey = (keyFile: string) => ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile]
