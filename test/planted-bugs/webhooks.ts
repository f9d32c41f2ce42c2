/** Bugs of webhooks: what is lost or overtaken when somebody dies, and who is sent what is none of theirs. */
import type { Plant } from './plants.ts'

const webhooks = (name: string) => `src/services/product/webhooks/${name}`
const egress = (name: string) => `src/platform/egress/${name}`

/** The row of the fault matrix, whole. */
const chaos = {
  file: 'test/chaos/webhooks.test.ts',
  name: 'F18: whatever receivers do and whoever dies, who is well gets every event, in order'
}

export const webhookBugs: readonly Plant[] = [
  {
    id: 'webhook-recorded-unsent',
    what: 'a webhook is delivered by the record before it is sent: who is killed in between loses it',
    file: webhooks('deliver-webhooks.ts'),
    find: '    for (const each of due) if (!refused.includes(each)) lanes',
    replace: `    await session.query(
      \`update webhook_deliveries set status = 'delivered', next_attempt_at = null, completed_at = now() where webhook_delivery_id = any($1)\`,
      [due.map(each => each.webhook_delivery_id)]
    )
    for (const each of due) if (!refused.includes(each)) lanes`,
    test: chaos
  },
  {
    id: 'webhook-cursor-ahead',
    what: 'the cursor of webhooks moves in a transaction of its own, and what goes where is written down after it',
    file: webhooks('fan-out-webhooks.ts'),
    find: `    await writeDeliveries(tx, wanted, fanOut.source, 'once')\n`,
    replace: `    setTimeout(() => session.transact(async later => writeDeliveries(later, wanted, fanOut.source, 'once')).catch(() => {}), 250)\n`,
    test: chaos
  },
  {
    id: 'webhook-order-not-asked',
    what: 'what is to come in order is sent while what came before it waits for its next try',
    file: webhooks('claim-deliveries.ts'),
    find: `(lane.ordering = 'none' or`,
    replace: '(lane.ordering is not null or',
    test: {
      file: webhooks('deliver-webhooks.test.ts'),
      name: 'in order of the key has each wait for the one before, and no other key'
    }
  },
  {
    id: 'webhook-held-forgotten',
    what: 'what was tried may be taken up again before it is recorded how it went: it is sent twice',
    file: webhooks('delivery-lane.ts'),
    find: '        underWay.delete(ended)\n',
    replace: '        underWay.delete(ended)\n        held.delete(due.webhook_delivery_id)\n',
    test: {
      file: webhooks('delivery-lane.test.ts'),
      name: 'what was tried is held until it is recorded, so that nobody takes it up meanwhile'
    }
  },
  {
    id: 'webhook-for-anybody',
    what: 'events are fanned out to whoever asked for them once, whether the owner may read them now or not',
    file: webhooks('fan-out-webhooks.ts'),
    find: ` &&
        permissions.mayRead(endpoint.reader, event.type)`,
    replace: '',
    test: {
      file: webhooks('deliver-webhooks.test.ts'),
      name: 'who may not read an event any more is not sent what waits, and no later one'
    }
  },
  {
    id: 'webhook-inward-by-name',
    what: 'whom a name leads to is not looked at: a stranger has us connect to this machine',
    file: egress('egress.ts'),
    find: `        else if (!addresses.every(({ address }) => mayConnect(address))) done(new EgressFailed('refused-address'), '')\n`,
    replace: '',
    test: {
      file: egress('egress.test.ts'),
      name: 'a name that was public and then leads to this machine is asked once for each connection, and refused'
    }
  },
  {
    id: 'webhook-inward-by-route',
    what: 'who is there after all is not looked at: what was checked is not what is connected',
    file: egress('egress.ts'),
    find: `if (mayConnect(socket.remoteAddress ?? '')) return`,
    replace: `if (socket.remoteAddress !== '') return`,
    test: {
      file: egress('egress.test.ts'),
      name: 'who is there after all is looked at once more, before anything is said to it'
    }
  }
]
