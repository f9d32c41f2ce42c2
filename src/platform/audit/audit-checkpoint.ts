/** Signed statements of where the audit log's chain stood: what is cut off behind one contradicts it. */
import { createPublicKey, verify } from 'node:crypto'
import type { Queryable, Row } from '../postgres/database.ts'
import type { Sign } from '../signing/signing.ts'
import { type Link, linkOf, nameOf } from './audit-chain.ts'

/** `sealed`: the chain has come so far. `origin`: what was up to here has been deleted, as its retention allows. */
export type CheckpointKind = 'sealed' | 'origin'

export type Statement = { kind: CheckpointKind; link: Link; at: string }

export type CheckpointRow = Row & {
  checkpoint_id: number
  kind: CheckpointKind
  position: number
  statement: string
  signature: string
}

/** Signs with the keys that sign the service's events; the statement can never pass for one of those. */
export async function signCheckpoint(service: string, sign: Sign, kind: CheckpointKind, link: Link) {
  const statement = JSON.stringify({ auditLog: service, kind, link: nameOf(link), at: new Date().toISOString() })
  const message = { topic: '', key: '', messageId: '', routingKey: '', headers: {}, body: Buffer.from(statement) }
  const [signed] = await sign([message])
  return { kind, position: link.position, statement, signature: signed!.headers.ce_signature! }
}

export async function insertCheckpoint(tx: Queryable, checkpoint: Awaited<ReturnType<typeof signCheckpoint>>): Promise<void> {
  const { kind, position, statement, signature } = checkpoint
  await tx.query('insert into audit_checkpoints (kind, position, statement, signature) values ($1, $2, $3, $4)', [
    kind,
    position,
    statement,
    signature
  ])
}

/** The statement of a checkpoint if its columns say the same, and it is of this service. */
export function statementOf(service: string, { kind, position, statement }: CheckpointRow): Statement | undefined {
  try {
    const said = JSON.parse(statement)
    const link = linkOf(String(said.link))
    const agrees = said.auditLog === service && said.kind === kind && link?.position === position
    return agrees && link ? { kind, link, at: String(said.at) } : undefined
  } catch {
    return undefined
  }
}

export type Signed = 'valid' | 'invalid' | 'unknown-key'

/** `keys`: the `x` of Ed25519 keys by their ids. */
export function signatureOf({ statement, signature }: CheckpointRow, keys: ReadonlyMap<string, string>): Signed {
  const [header = '', payload, value = ''] = signature.split('.')
  let kid: unknown
  try {
    kid = JSON.parse(Buffer.from(header, 'base64url').toString()).kid
  } catch {
    return 'invalid'
  }
  const x = keys.get(String(kid))
  if (x === undefined) return 'unknown-key'
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  const isValid = payload === '' && verify(null, Buffer.from(`${header}.${statement}`), key, Buffer.from(value, 'base64url'))
  return isValid ? 'valid' : 'invalid'
}
