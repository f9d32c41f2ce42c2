/** The rows of the fault matrix in which the broker matters, on a Kafka of its own. */
import { noOwnKafka } from '../support/brokers.ts'
import { quick } from './quick.ts'

quick('kafka', noOwnKafka)
