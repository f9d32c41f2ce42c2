/** Whose events are believed: which source may speak on which topic, where its keys are, and what becomes of what nobody signed. */
import type { Topic } from '#contracts/define.ts'
import type { KeySetSource } from '../signing/key-sets.ts'

/** require: what is not signed is set aside. warn: it is taken, with a warning. off: nobody looks at signatures at all. */
export type SignaturePolicy = 'require' | 'warn' | 'off'
const policies: readonly string[] = ['require', 'warn', 'off'] satisfies SignaturePolicy[]

/** Events of ours are signed. The publishers of the others are other people's, who may not have begun to. */
const defaultPolicies: Readonly<Record<Topic, SignaturePolicy>> = {
  'product.events': 'require',
  'order.events': 'warn',
  'user.events': 'warn'
}

/** Where the reference neighbours and their replacements are, by the name of the service. */
type Addresses = Readonly<Record<string, string | undefined>>

export type TrustedSource = KeySetSource & { topic: string }

export type Trust = { policies: Readonly<Record<string, SignaturePolicy>>; sources: readonly TrustedSource[] }

type Settings = { EVENT_SOURCES?: string | undefined; EVENT_SIGNATURES?: string | undefined }

/** What the settings say; the sources of our own services are where those are, unless they say otherwise. */
export function trustOf(settings: Settings, addresses: Addresses): Trust {
  const configured = sourcesIn(settings.EVENT_SOURCES).map(({ source, topic, url }) => ({
    ...{ source, topic: topic!, configured: url, url: () => url }
  }))
  const own = Object.keys(defaultPolicies).flatMap(topic => {
    const service = topic.split('.')[0]!
    const source = `/${service}-service`
    if (configured.some(each => each.source === source)) return []
    return [{ source, topic, configured: '', url: () => keySetAt(addresses[service]) }]
  })
  return {
    policies: { ...defaultPolicies, ...Object.fromEntries(pairsIn(settings.EVENT_SIGNATURES)) },
    sources: [...configured, ...own]
  }
}

/** The key set of the service whose API is at an address with a version prefix. */
function keySetAt(address: string | undefined): string | undefined {
  return address?.replace(/(\/v\d+)?\/?$/, '/.well-known/jwks.json')
}

/** What is wrong with the settings. In production every topic has a policy that somebody chose. */
export function faultsOfTrust(settings: Settings & { NODE_ENV: string }): string[] {
  const faults: string[] = []
  const chosen = new Map(pairsIn(settings.EVENT_SIGNATURES))
  for (const [topic, policy] of chosen) {
    if (!Object.hasOwn(defaultPolicies, topic)) faults.push(`EVENT_SIGNATURES: there is no topic ${topic}`)
    if (!policies.includes(policy)) faults.push(`EVENT_SIGNATURES: ${topic} is to be require, warn or off, not '${policy}'`)
  }
  for (const { source, topic, url } of sourcesIn(settings.EVENT_SOURCES)) {
    if (source === '' || !URL.canParse(url)) faults.push(`EVENT_SOURCES: ${source}=${url} is no source and URL of its key set`)
    else if (!topic) faults.push(`EVENT_SOURCES: ${source} needs a topic to speak on, such as ${source}@order.events=${url}`)
    else if (!Object.hasOwn(defaultPolicies, topic)) faults.push(`EVENT_SOURCES: there is no topic ${topic}`)
  }
  if (settings.NODE_ENV === 'production') {
    const open = Object.entries(defaultPolicies).filter(([topic]) => !chosen.has(topic))
    if (open.length > 0)
      faults.push(`EVENT_SIGNATURES: is to be chosen in production, such as ${open.map(each => each.join('=')).join()}`)
  }
  return faults
}

/** `/order-service` speaks on `order.events` without saying so. */
function sourcesIn(text: string | undefined): { source: string; topic: string | undefined; url: string }[] {
  return pairsIn(text).map(([name, url]) => {
    const [, source = name, stated] = /^(.*)@([^@]*)$/.exec(name) ?? []
    const ofName = `${/^\/([a-z]+)-service$/.exec(source)?.[1]}.events`
    return { source, topic: stated ?? (Object.hasOwn(defaultPolicies, ofName) ? ofName : undefined), url }
  })
}

function pairsIn(text: string | undefined): [name: string, value: string][] {
  const entries = (text ?? '').split(',').filter(entry => entry.trim() !== '')
  return entries.map(entry => {
    const [name = '', ...value] = entry.split('=')
    return [name.trim(), value.join('=').trim()]
  })
}
