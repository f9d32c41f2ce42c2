/** Who the audit log says it was when an operator's command changes something: it has no token, so the system's user and the command. */
import { userInfo } from 'node:os'
import type { Audited, AuditedResource } from './audit.ts'

/** `command`: what was called, such as `signing-keys revoke`. */
export function auditedCommand(command: string, resource: AuditedResource): Audited {
  return {
    operation: command,
    doer: { issuer: 'command', subject: nameOfUser(), clientId: `npm run ${command.split(' ')[0]}` },
    resourceOf: () => resource,
    withheld: new Set()
  }
}

/** A container's user may have no name. */
function nameOfUser(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}
