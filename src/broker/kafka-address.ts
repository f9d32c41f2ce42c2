/** Where a Kafka cluster is: `kafka://` or, over TLS, `kafkas://`, who we are, and one broker or more to ask first. */
export type KafkaAddress = {
  brokers: { host: string; port: number }[]
  secure: boolean
  username?: string
  password?: string
}

const DEFAULT_PORT = 9092

/** Reads `kafka://user:password@host:9092,other:9092`, which no URL parser does. What it throws never shows the password. */
export function parseKafkaUrl(url: string): KafkaAddress {
  const [, scheme, who, hosts] = /^(kafkas?):\/\/(?:(.*)@)?([^@/?#]+)\/?$/i.exec(url) ?? []
  const brokers = hosts?.split(',').map(parseHost)
  if (!scheme || !brokers?.every(broker => broker !== undefined))
    throw new Error(
      "a Kafka cluster's URL is kafka://host:port,host:port or kafkas:// for TLS, with user:password@ before the hosts if need be"
    )
  const [username, ...password] = (who ?? '').split(':')
  return {
    brokers,
    secure: scheme.toLowerCase() === 'kafkas',
    ...(username ? { username: decodeURIComponent(username) } : {}),
    ...(password.length > 0 ? { password: decodeURIComponent(password.join(':')) } : {})
  }
}

function parseHost(text: string): { host: string; port: number } | undefined {
  const [, v6, name, port] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/i.exec(text) ?? []
  const host = v6 ?? name
  const number = Number(port ?? DEFAULT_PORT)
  return host && number > 0 && number < 65_536 ? { host, port: number } : undefined
}
