/** Puts a report into a page between its marks; what people wrote around them stays. */
import { readFile, writeFile } from 'node:fs/promises'
import { casesTable, limitsTable, machineLine, type Report, toMarkdown } from './report.ts'

const BEGIN = '<!-- Written by `npm run bench -- --markdown`: run it again instead of changing it. -->'
const END = '<!-- End of what the bench wrote. -->'

/** Throws when the page has no place for it. */
export async function writeIntoPage(file: string, report: Report): Promise<void> {
  const page = await readFile(file, 'utf8')
  const [before, rest] = page.split(BEGIN)
  const after = rest?.split(END)[1]
  if (after === undefined) throw new Error(`${file} has no place for a report: it needs the lines\n${BEGIN}\n${END}`)
  await writeFile(file, `${before}${BEGIN}\n\n${sectionOf(report)}\n\n${END}${after}`)
}

function sectionOf(report: Report): string {
  const notes = [...report.notes, ...report.groups.flatMap(group => group.notes)]
  const groups = report.groups.map(group => `### ${group.group}\n\n${sentence(group.about)}\n\n${toMarkdown(casesTable(group))}`)
  return [
    '```sh',
    report.command,
    '```',
    '',
    `${machineLine(report.machine)}. ${report.rounds} rounds of ${report.seconds} s.`,
    '',
    '### What must hold',
    '',
    // What other pages have, by groups that were not run for this one, is not missing here.
    toMarkdown(limitsTable(report).filter(([, measured]) => measured !== '')),
    '',
    ...(notes.length > 0 ? [...notes.map(note => `- ${sentence(note)}`), ''] : []),
    groups.join('\n\n')
  ].join('\n')
}

const sentence = (text: string) => `${text[0]!.toUpperCase()}${text.slice(1)}.`
