/** The fault matrix on PostgreSQL: every row, in compressed time. */
import { quick } from './quick.ts'

quick('postgres')
