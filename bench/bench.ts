/**
 * npm run bench [-- --only reads,reservations --rounds 3 --seconds 4 --peers FILE --json FILE --markdown FILE --patience SECONDS]
 *
 * Our figures beside their limits, in one run: what static bytes, PostgreSQL and COPY can do on this machine at this moment. Machines are
 * shared and noisy, so read the ratios. Everything is started for the run, on loopback, and stopped after it.
 */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { groups, groupsOf } from './groups.ts'
import { bePatientFor, busyShots, machineOf } from './machine.ts'
import { writeIntoPage } from './markdown.ts'
import { measure } from './measure.ts'
import { readPeers } from './peers.ts'
import { say } from './progress.ts'
import { casesTable, type GroupReport, limitsTable, machineLine, type Report, reportOf, toText } from './report.ts'
import { openStage, type Size } from './scene.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    peers: { type: 'string' },
    json: { type: 'string' },
    markdown: { type: 'string' },
    /** How long to wait for a quiet machine, in all. */
    patience: { type: 'string', default: '120' },
    /** Less of everything: to try the bench, not to measure. */
    small: { type: 'boolean', default: false }
  }
})

const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)]
if (!(rounds >= 1 && seconds > 0)) throw new Error('--rounds and --seconds must be numbers above 0')
const size: Size = values.small
  ? { rounds, seconds, products: 50, skus: 200, imported: 200, events: 500, fullCatalog: { products: 2000, variants: 6000 } }
  : {
      rounds,
      seconds,
      products: 1000,
      skus: 10_000,
      imported: 20_000,
      events: 20_000,
      fullCatalog: { products: 100_000, variants: 300_000 }
    }
const chosen = groupsOf(values.only)
const peers = values.peers ? readPeers(values.peers) : {}
bePatientFor(Number(values.patience))

await using stage = await openStage({ size, peers })
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    await stage[Symbol.asyncDispose]()
    process.exit(1)
  })
}
const reports: GroupReport[] = []
const broken: string[] = []
for (const name of chosen) {
  try {
    const report = await runGroup(name)
    reports.push(report)
    console.log(`\n${name}: ${report.about}\n\n${toText(casesTable(report))}\n`)
  } catch (error) {
    // What the other groups found is worth having all the same.
    console.error(error)
    broken.push(`${name} could not be measured: ${error instanceof Error ? error.message : error}`)
  }
}
if (broken.length > 0) process.exitCode = 1

const report: Report = {
  command: ['npm run bench', ...process.argv.slice(2)].join(' ').replace('bench ', 'bench -- '),
  machine: machineOf(stage.postgresVersion, stage.pgbench.version),
  rounds,
  seconds,
  groups: reports,
  notes: [
    ...broken,
    ...(values.small ? ['small: catalogs are too small for these figures to mean anything'] : []),
    ...(busyShots() > 0 ? [`others were busy during ${busyShots()} shots`] : [])
  ]
}
console.log(`What must hold\n\n${toText(limitsTable(report))}\n`)
for (const note of [...report.notes, ...reports.flatMap(each => each.notes)]) console.log(`  ${note}`)
console.log(`\n${machineLine(report.machine)}`)
if (values.json) await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`)
if (values.markdown) await writeIntoPage(values.markdown, report)

async function runGroup(name: keyof typeof groups): Promise<GroupReport> {
  const group = groups[name]
  say(`${name}: ${group.about}`)
  const scene = stage.scene()
  await using _ = scene.stack
  const cases = await group.open(scene)
  const taken = await measure(cases.cases, rounds, cases.warmedUp)
  const report = reportOf(name, group, cases, taken)
  const afterwards = (await cases.afterwards?.()) ?? []
  return { ...report, notes: [...report.notes, ...afterwards] }
}
