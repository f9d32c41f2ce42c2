/**
 * Headers in which gateways of this world tell services who is asking. Ours tells nobody, and services believe none of them; they are not
 * passed on all the same, so that nothing behind the gateway can be talked into it.
 */

/** What stands after `x-`, alone or before another word. */
const told = [
  'account|actor|amzn-oidc|auth|authenticated|authentik|authorization|authz?|claims?|consumer|credential|email|envoy|forwarded|goog-authenticated',
  'goog-iap|groups?|identity|jwt|ms-client-principal|ms-token|original|permissions?|pomerium|principal|real|remote|rewrite|roles?|scopes?|ssl',
  'subject|sub|tenant|tls|token|user|userinfo|username|vouch|webauth|client-(?:cert|dn|id|ip|subject|verify)'
].join('|')
const vouching = new RegExp(
  `^(?:x[-_](?:${told})(?:[-_].*)?|forwarded|remote[-_]user|(?:ssl[-_])?client[-_]cert.*|cf[-_](?:access|connecting)[-_].*|true[-_]client[-_]ip)$`
)

/** Whether a header, by its lower-case name, is one that says who asks or where from. */
export function vouchesForSomebody(name: string): boolean {
  return vouching.test(name)
}
