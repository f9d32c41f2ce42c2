/** Bugs of who may do what: tokens, API keys, users, quotas, the audit log, and what others are told of it. */
import type { Plant } from './plants.ts'

const identity = (name: string) => `src/platform/identity/${name}`
const http = (name: string) => `src/platform/http/${name}`

export const whoMayDoWhat: readonly Plant[] = [
  {
    id: 'scope-not-asked-for',
    what: 'whoever is known may do everything',
    file: identity('authorize.ts'),
    find: `      if (!actor.scopes.has(scope)) throw new Problem('insufficient-scope'`,
    replace: `      if (scope === undefined) throw new Problem('insufficient-scope'`,
    test: { file: identity('authorize.test.ts'), name: 'scopes are compared whole and by their case' }
  },
  {
    id: 'suspended-user-goes-on',
    what: 'the status of a user is not looked at: who is suspended goes on for as long as the token lasts',
    file: identity('authorize.ts'),
    find: 'if (standing.status !== ACTIVE)',
    replace: `if (standing.status === 'unknown')`,
    test: {
      file: 'test/journeys/users-and-rights.test.ts',
      name: 'a suspended user is refused in every process within a second of the event, also what was answered before'
    }
  },
  {
    id: 'issuers-speak-for-each-other',
    what: 'a key is looked for at every issuer: each of them can make tokens of the others',
    file: identity('auth.ts'),
    find: 'const found = await keys.find(kid)',
    replace: `let found = await keys.find(kid)
    for (const other of issuers.values()) if (found.kind === 'absent') found = await other.keys.find(kid)`,
    test: {
      file: identity('auth.test.ts'),
      name: 'is of the issuer whose key signed it: issuers do not speak for each other'
    }
  },
  {
    id: 'audience-not-looked-at',
    what: 'a token that was given out for another service is taken',
    file: identity('token-claims.ts'),
    find: `  if (!(Array.isArray(named) ? named : [named]).some(each => audiences.includes(each)))`,
    replace: `  if (named === undefined && audiences.length === 0)`,
    test: {
      file: 'test/journeys/own-identity-provider.test.ts',
      name: 'keep out ID tokens, tokens for others, and the development issuer’s'
    }
  },
  {
    id: 'opaque-token-for-anybody',
    what: 'what an issuer says of an opaque token is believed, whoever it is for and however old it is',
    file: identity('opaque-tokens.ts'),
    find: 'return faultOfClaims(claims, issuer, Date.now())',
    replace: 'return undefined',
    test: { file: identity('opaque-tokens.test.ts'), name: 'is held to what a JWT is held to, and the refusal says to what' }
  },
  {
    id: 'jwt-told-to-an-issuer',
    what: 'a token of one issuer is shown to another, which is asked what it is worth',
    file: identity('token.ts'),
    find: `return token.startsWith('eyJ')`,
    replace: `return token.startsWith('eyJ') && token.split('.').length === 3`,
    test: { file: identity('opaque-tokens.test.ts'), name: 'with the look of a JWT is never told to anybody' }
  },
  {
    id: 'refused-token-kept',
    what: 'a service keeps its own token until it expires, though its key was withdrawn and everybody refuses it',
    file: identity('access-token.ts'),
    find: `return reply.status === 401 && forget(sent) ? send(await header()) : reply`,
    replace: 'return reply',
    test: {
      file: http('http-client.test.ts'),
      name: 'whose token is refused is made with another one, which is not fetched for every refusal'
    }
  },
  {
    id: 'revoked-key-goes-on',
    what: 'an API key is known for as long as it is used: one that is taken back goes on',
    file: identity('looked-up.ts'),
    find: `    return found && found.untilMs > now() ? found : undefined`,
    replace: `    if (found) found.untilMs = now() + found.knownMs
    return found`,
    test: { file: identity('api-key-check.test.ts'), name: 'is no longer one three seconds after it was taken back' }
  },
  {
    id: 'network-not-looked-at',
    what: 'an API key is good from everywhere, whatever its networks',
    file: identity('looked-up.ts'),
    find: 'if (!isGood(found) || found.networks?.has(address) === false) return',
    replace: 'if (!isGood(found)) return',
    test: { file: identity('api-key-check.test.ts'), name: 'is good from its networks only' }
  },
  {
    id: 'quota-and-one-more',
    what: 'one more request than the quota is let through',
    file: http('rate-limit.ts'),
    find: 'const allowed = of.used < quota\n',
    replace: 'const allowed = of.used <= quota\n',
    test: { file: http('rate-limit.test.ts'), name: 'lets exactly the quota through, and as much again a minute later' }
  },
  {
    id: 'identity-headers-forwarded',
    what: 'the gateway passes on headers that say who asks',
    file: http('http-forward.ts'),
    find: `if (!dropped.has(name) && !vouchesForSomebody(name)) sent`,
    replace: 'if (!dropped.has(name)) sent',
    test: {
      file: http('http-admission.test.ts'),
      name: 'headers that say who asks are not passed on, whatever their spelling, and where from is said by us alone'
    }
  },
  {
    id: 'any-certificate-behind',
    what: 'the gateway believes whatever certificate a service shows',
    file: http('http-forward.ts'),
    find: ', connect: connector(CONNECT_TIMEOUT_MS) }',
    replace: ' }',
    test: {
      file: http('http-forward-tls.test.ts'),
      name: 'a service whose authority we do not know is away, even to a library that would believe any certificate'
    }
  },
  {
    id: 'certificate-never-shown',
    what: 'a new certificate is read and not shown: the one before it expires under everybody',
    file: 'src/platform/tls/tls.ts',
    find: '    for (const server of servers) server.setSecureContext(contextOf(found))\n',
    replace: '',
    test: {
      file: http('http-tls.test.ts'),
      name: 'is shown in new handshakes, while connections and a request that was under way go on'
    }
  },
  {
    id: 'pages-may-frame',
    what: 'replies of the gateway do not say to browsers what they are not',
    file: http('http-security.ts'),
    find: `    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",\n`,
    replace: '',
    test: { file: http('http-admission.test.ts'), name: 'every reply is safe for a browser, and says nothing of what runs behind' }
  },
  {
    id: 'feed-tells-all',
    what: 'the feed does not ask which types its reader may read',
    file: http('http-feeds.ts'),
    find: 'types: edge.eventPermissions.narrow(asked.types, request.actor) }',
    replace: 'types: asked.types }',
    test: {
      file: 'src/services/product/events/list-events.test.ts',
      name: 'has what the client may read and nothing else; whoever reads on in small pages gets all of that'
    }
  },
  {
    id: 'kafka-group-of-others',
    what: 'the rules for Kafka open every group that begins like a consumer’s name',
    file: 'scripts/permissions/kafka-rules.ts',
    find: `{ ...group, name: \`\${name}.\`, pattern: 'prefixed' }`,
    replace: `{ ...group, name, pattern: 'prefixed' }`,
    test: {
      file: 'test/operations/kafka-permissions.test.ts',
      name: 'a group that is not its own is refused, also one that only begins like its name'
    }
  },
  {
    id: 'permission-never-taken-back',
    what: 'the rules for PostgreSQL only ever add: what is not permitted any more still is',
    file: 'scripts/permissions/postgresql-rules.ts',
    find: `      \`DELETE FROM broker.permissions WHERE client = '\${user}';\`,\n`,
    replace: '',
    test: {
      file: 'test/operations/postgresql-permissions.test.ts',
      name: 'run again, it takes back what is not permitted any more; our own services are not outsiders'
    }
  },
  {
    id: 'change-without-record',
    what: 'what was done leaves no record in the audit log',
    file: http('http-writes.ts'),
    find: 'if (attempt.audited) recordOutcomes(tx, [{ audited: attempt.audited, result, status: operation.reply.status }])',
    replace: '',
    test: {
      file: 'test/journeys/audited.test.ts',
      name: 'a crash before the commit leaves no change and no record; the command tells a whole log from a broken one'
    }
  }
]
