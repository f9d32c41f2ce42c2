/** A copy of the tree that bugs are planted into: the packages are those of the tree itself. */
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Plant } from '../../test/planted-bugs/plants.ts'

export type Copy = AsyncDisposable & {
  path: string
  /** Plants a bug until disposed. Rejects unless its place is there exactly once. */
  plant(plant: Pick<Plant, 'id' | 'file' | 'find' | 'replace'>): Promise<AsyncDisposable>
}

const root = join(import.meta.dirname, '../..')
const LEFT_OUT = ['.git', '.data', 'node_modules']

export async function openCopy(): Promise<Copy> {
  const path = await mkdtemp(join(tmpdir(), 'planted-bugs-'))
  const names = (await readdir(root)).filter(name => !LEFT_OUT.includes(name))
  await Promise.all(names.map(name => cp(join(root, name), join(path, name), { recursive: true })))
  await symlink(join(root, 'node_modules'), join(path, 'node_modules'), 'junction')
  return {
    path,
    async plant({ id, file, find, replace }) {
      const place = join(path, file)
      const text = await readFile(place, 'utf8')
      const times = find === '' ? 0 : text.split(find).length - 1
      if (times !== 1) throw new Error(`${id}: its place stands ${times} times in ${file}`)
      await writeFile(
        place,
        text.replace(find, () => replace)
      )
      return { [Symbol.asyncDispose]: () => writeFile(place, text) }
    },
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 })
  }
}
