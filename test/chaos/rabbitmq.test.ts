/** The rows of the fault matrix in which the broker matters, on a RabbitMQ of its own. */
import { noOwnRabbitMq } from '../support/brokers.ts'
import { quick } from './quick.ts'

quick('rabbitmq', noOwnRabbitMq)
