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

/** Makes them in this folder. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const file = (name: string) => join(folder, name)
  const openssl = (...args: readonly string[]) => promisify(execFile)('openssl', args, { timeout: 30_000 })
  const newKey = (name: string) => [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    file(`${name}.key`)
  ]
  await openssl('req', '-x509', ...newKey('ca'), '-out', file('ca.pem'), '-days', '2', '-subj', '/CN=Authority of a test')
  for (const [name, usage] of [
    ['server', 'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth'],
    ['client', 'extendedKeyUsage=clientAuth']
  ] as const) {
    await writeFile(file(`${name}.extensions`), usage)
    await openssl('req', ...newKey(name), '-out', file(`${name}.request`), '-subj', `/CN=${name}`)
    const authority = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '2']
    await openssl(
      'x509',
      '-req',
      '-in',
      file(`${name}.request`),
      ...authority,
      '-extfile',
      file(`${name}.extensions`),
      '-out',
      file(`${name}.pem`)
    )
  }
  const [ca, cert, key] = await Promise.all(['ca.pem', 'client.pem', 'client.key'].map(name => readFile(file(name), 'utf8')))
  return {
    files: { ca: file('ca.pem'), cert: file('server.pem'), key: file('server.key') },
    ca: ca!,
    client: { cert: cert!, key: key! }
  }
}
