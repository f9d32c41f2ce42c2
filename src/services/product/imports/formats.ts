import { readNdjson } from './ndjson.ts'
import type { ReadFormat } from './source-record.ts'
import { readProductCsv } from './spreadsheets/product-csv.ts'

/** The files that an import reads, by media type. What a CSV file is, its header tells. */
export const formats = {
  'application/x-ndjson': readNdjson,
  'text/csv': readProductCsv,
  'text/tab-separated-values': readProductCsv
} as const satisfies Record<string, ReadFormat>
