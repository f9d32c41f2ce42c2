import type { operationsOperations } from '#contracts/http/product-operations.ts'
import type { Input, Output, Reading } from '#platform/http/handlers.ts'
import { readIntegrations } from '#platform/resilience/integration-views.ts'

type Operation = typeof operationsOperations.listIntegrations

export async function listIntegrations({ database }: Reading, _input: Input<Operation>): Promise<Output<Operation>> {
  return { data: await readIntegrations(database) }
}
