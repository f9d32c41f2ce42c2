/** What an error of the database means: the statement's fault, somebody else's, or a server that is away. */
import pg from 'pg'

/** The tables have changed since this connection prepared the statement, by a migration of the next release. */
export function isStale(error: unknown): boolean {
  return sqlState(error) === '0A000' && (error as pg.DatabaseError).routine === 'RevalidateCachedQuery'
}

/** The connection broke or could not be had, so what became of a statement under way is not known. */
class DatabaseAway extends Error {}

export function refuse(error: unknown): never {
  // What cannot be made a value of PostgreSQL's has never left this process.
  if (error instanceof pg.DatabaseError || error instanceof TypeError) throw error
  throw new DatabaseAway(error instanceof Error ? error.message : String(error), { cause: error })
}

export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined
}

/** The constraint that an error names, such as a unique index: behaviours turn it into a problem. */
export function violated(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError && error.code?.startsWith('23') ? error.constraint : undefined
}

/** SQLSTATE classes of a server that cannot serve anybody now: connection, resources, operator intervention, read-only. */
const awayStates = /^(08|53|57P|58|25006)/
/** Of a statement that was not done in time: it took too long, or others were in its way. */
const busyStates = /^(57014|55P03|25P0[34]|40)/
/** After these the server ends the connection. */
export const lastStates = /^(08|57P|25P0[34])/

/** Whether the database is away: it is not the statement's fault, and nothing else would succeed now. */
export function isAway(error: unknown): boolean {
  return error instanceof DatabaseAway || awayStates.test(sqlState(error) ?? '')
}

/** Whether an error says that the database is away or overloaded, rather than that the statement is wrong. */
export function isOutage(error: unknown): boolean {
  return isAway(error) || busyStates.test(sqlState(error) ?? '')
}
