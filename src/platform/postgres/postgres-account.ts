import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, realpath, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { copyBinaries, type PostgresBinaries, postgresBinaries, program } from './postgres-binaries.ts'

/** Who runs PostgreSQL, which refuses to run as root: a command to put in front, or the account to change to. */
export type Account = { prefix: string[]; uid?: number; gid?: number }

/** Where PostgreSQL runs for one data directory: by whom, from which binaries, and which folder holds the cluster. */
export type Placement = { account: Account; binaries: PostgresBinaries; home: string; cluster: string }

/**
 * Decides how PostgreSQL runs for `dataDir`.
 *
 * - Not root: as ourselves.
 * - Root, and the cluster belongs to another account: as that account.
 * - Root otherwise: in a user namespace, where root's files belong to an ordinary account. Works below folders only root may enter.
 * - Root where user namespaces are refused (most containers): as `nobody`, from a folder that account can reach: `dataDir`, or
 *   else one in /var/lib or the temporary folder, to which the link `elsewhere` in `dataDir` points from then on.
 */
export async function placePostgres(dataDir: string): Promise<Placement> {
  const linked = await realpath(join(dataDir, 'elsewhere')).catch(() => undefined)
  const owner = await stat(join(linked ?? dataDir, 'pgdata')).catch(() => undefined)
  const place = (account: Account, home: string) => withBinaries({ account, home, cluster: join(home, 'pgdata') })

  if (process.getuid?.() !== 0) {
    if (owner && process.getuid && owner.uid !== process.getuid())
      throw new Error(`The database in ${dataDir} belongs to another account (uid ${owner.uid}): ${NEXT}`)
    return place({ prefix: [] }, dataDir)
  }
  if (owner && owner.uid !== 0) return place({ prefix: [], uid: owner.uid, gid: owner.gid }, linked ?? dataDir)

  const nobody = await unprivilegedAccount()
  const namespace = { prefix: ['unshare', '--user', `--map-user=${nobody.uid}`, `--map-group=${nobody.gid}`] }
  if (!linked && (await canUse(namespace, dataDir))) return place(namespace, dataDir)
  if (owner) {
    throw new Error(
      `The database in ${dataDir} was made by root in a user namespace, which this machine refuses. Give it to an ordinary account ` +
        `(chown -R ${nobody.uid}:${nobody.gid} ${join(linked ?? dataDir, 'pgdata')}), or ${NEXT}`
    )
  }
  return place({ prefix: [], ...nobody }, linked ?? (await reachableFolder(nobody, dataDir)))
}

/** Runs `file` as `account` and resolves to whether it succeeded and what it printed. */
export async function runAs(account: Account, file: string, args: string[]): Promise<{ ok: boolean; output: string }> {
  const { command, options } = asAccount(account, [file, ...args])
  return new Promise(resolve => {
    execFile(command[0]!, command.slice(1), options, (error, stdout, stderr) => {
      resolve({ ok: error === null, output: `${stdout}${stderr}`.trim() || (error?.message ?? '') })
    })
  })
}

/** The command and process options with which `account` runs `command`; nothing of our environment is passed on. */
export function asAccount(account: Account, command: string[]) {
  const { prefix, ...ids } = account
  // A working directory that every account may enter; Windows programs do not run without their environment.
  const surroundings =
    process.platform === 'win32' ? {} : { cwd: '/', env: { PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C' } }
  return { command: [...prefix, ...command], options: { ...surroundings, ...ids, windowsHide: true } }
}

const NEXT = 'choose another folder with DATA_DIR, or set DATABASE_URL to a PostgreSQL 18 server of your own.'

async function withBinaries(place: Omit<Placement, 'binaries'>): Promise<Placement> {
  let binaries = await postgresBinaries(place.home)
  const runs = () => runAs(place.account, program(binaries, 'postgres'), ['--version'])
  let tried = await runs()
  const another = place.account.prefix.length > 0 || place.account.uid !== undefined
  if (!tried.ok && another) {
    // It may only be that this account cannot reach node_modules.
    binaries = await copyBinaries(binaries, place.home)
    tried = await runs()
  }
  if (!tried.ok)
    throw new Error(
      `PostgreSQL from npm does not run on this machine: ${tried.output}\nSet DATABASE_URL to a PostgreSQL 18 server of your own.`
    )
  return { ...place, binaries }
}

/** initdb insists on an account that has a name, so any number will not do. */
async function unprivilegedAccount(): Promise<{ uid: number; gid: number }> {
  const lines = (await readFile('/etc/passwd', 'utf8').catch(() => '')).split('\n').map(line => line.split(':'))
  const line = lines.find(([name]) => name === 'nobody') ?? lines.find(([, , uid]) => Number(uid) > 0)
  if (!line)
    throw new Error(
      'PostgreSQL does not run as root and /etc/passwd names no other account. Set DATABASE_URL to a PostgreSQL 18 server of your own.'
    )
  return { uid: Number(line[2]), gid: Number(line[3]) }
}

async function reachableFolder(account: { uid: number; gid: number }, dataDir: string): Promise<string> {
  await chmod(dataDir, 0o711)
  if (await canUse({ prefix: [], ...account }, dataDir, '-x')) return dataDir
  const base = '/var/lib/product-service'
  const parent = await mkdir(base, { recursive: true })
    .then(() => chmod(base, 0o711))
    .then(
      () => `${base}/`,
      () => `${tmpdir()}/product-service-`
    )
  const home = await mkdtemp(parent)
  await chmod(home, 0o711)
  if (!(await canUse({ prefix: [], ...account }, home, '-x'))) {
    throw new Error(
      `PostgreSQL does not run as root, and no other account can be used here (tried uid ${account.uid} in ${home}): ${NEXT}`
    )
  }
  await symlink(home, join(dataDir, 'elsewhere'))
  return home
}

async function canUse(account: Account, folder: string, test: '-w' | '-x' = '-w'): Promise<boolean> {
  return (await runAs(account, '/bin/sh', ['-c', `test ${test} "$0"`, folder])).ok
}
