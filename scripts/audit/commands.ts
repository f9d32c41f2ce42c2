/** What each command does. Each says whether all is well. */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { nameOf } from '#platform/audit/audit-chain.ts'
import { auditedCommand } from '#platform/audit/audit-command.ts'
import { auditLines, auditRows, readAuditChain } from '#platform/audit/audit-records.ts'
import { pruneAuditLog } from '#platform/audit/audit-retention.ts'
import { verifyAuditLog } from '#platform/audit/audit-verify.ts'
import type { Config } from '#platform/config.ts'
import type { Database } from '#platform/postgres/database.ts'
import { openSealing } from '#platform/signing/sealing.ts'
import { openSigner } from '#platform/signing/signing.ts'
import type { AuditOptions, Command } from './arguments.ts'

type Asked = {
  /** As the service. */
  database: Database
  /** As the one to whom the audit log belongs. */
  admin: Database
  config: Config
  options: AuditOptions
  out: NodeJS.WritableStream
}

export const commands: Readonly<Record<Command, (asked: Asked) => Promise<boolean>>> = {
  async verify({ database, options: { serviceName, expected }, out }) {
    const { faults, sealed, unsealed, origin, head, checkpoints, notes } = await verifyAuditLog(database, serviceName, expected)
    for (const { position, detail } of faults) out.write(`${position === null ? '' : `position ${position}: `}${detail}\n`)
    for (const note of notes.slice(0, 5)) out.write(`note: ${note}\n`)
    const from = origin.position === 0 ? '' : ` after position ${origin.position}, before which it was pruned`
    out.write(
      `${sealed} records sealed${from}, ${unsealed} waiting; ${checkpoints} checkpoints; the chain stands at ${nameOf(head)}\n`
    )
    out.write(faults.length === 0 ? 'the audit log is whole\n' : `the audit log is broken in ${faults.length} place(s)\n`)
    return faults.length === 0
  },

  async export({ database, options: { filter, format }, out }) {
    const pages = readAuditChain(database, filter)
    await pipeline(Readable.from(format === 'csv' ? auditRows(pages) : auditLines(pages)), out, { end: false })
    return true
  },

  async prune({ database, admin, config, options: { serviceName, before }, out }) {
    const { deleted, origin } = await pruneAuditLog({
      service: serviceName,
      admin,
      sign: openSigner({ database, sealing: openSealing(config.SIGNING_KEY_SECRET) }),
      before: before!,
      audited: auditedCommand('audit prune', { type: 'audit-log', id: serviceName })
    })
    out.write(
      origin
        ? `${deleted} records deleted; the chain begins after ${nameOf(origin)}\n`
        : 'nothing is older, or nothing that can go\n'
    )
    return true
  }
}
