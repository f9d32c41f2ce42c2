/** An nginx with the configuration of `deploy/nginx`, as any user and apart from any other nginx of the machine. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from './free-port.ts'

export interface Nginx extends AsyncDisposable {
  url: string
  /** What it has said of errors. */
  errors(): Promise<string>
}

export type NginxOptions = {
  /** Service → where it is, or several servers of it: `http://127.0.0.1:4123`. */
  services: Readonly<Record<string, string | readonly string[]>>
  /** Files of a certificate; without them it speaks plain HTTP. */
  tls?: { cert: string; key: string }
  port?: number
}

const PATIENCE_MS = 30_000
const shipped = join(import.meta.dirname, '../../deploy/nginx')

/** Starts it, and waits until it listens. */
export async function startNginx({ services, tls, port: chosen }: NginxOptions): Promise<Nginx> {
  const program = await installedNginx()
  if (!program) throw new Error('nginx is not installed here: on Debian, apt-get install nginx')
  const folder = await mkdtemp(join(tmpdir(), 'product-service-nginx-'))
  await cp(shipped, folder, { recursive: true })
  const port = chosen ?? (await freePort())
  await rewrite(join(folder, 'services.conf'), serversOf(services))
  await rewrite(join(folder, 'nginx.conf'), placesOf(folder, port, await freePort(), tls))
  const child = spawn(program, ['-p', folder, '-e', 'error.log', '-c', 'nginx.conf'], { stdio: ['ignore', 'ignore', 'inherit'] })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const dispose = async () => {
    process.off('exit', kill)
    await end(child)
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  const errors = () => readFile(join(folder, 'error.log'), 'utf8')
  try {
    for (const deadline = Date.now() + PATIENCE_MS; !(await answers(port)); await delay(20)) {
      if (child.exitCode === null && Date.now() < deadline) continue
      throw new Error(`nginx did not start:\n${await errors()}`)
    }
  } catch (error) {
    await dispose()
    throw error
  }
  return { url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`, errors, [Symbol.asyncDispose]: dispose }
}

/** Whether `startNginx` finds something to start. */
export async function canStartNginx(): Promise<boolean> {
  return (await installedNginx()) !== undefined
}

async function installedNginx(): Promise<string | undefined> {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin']
  for (const folder of folders) {
    const there = await access(join(folder, 'nginx')).then(
      () => true,
      () => false
    )
    if (there) return join(folder, 'nginx')
  }
  return undefined
}

type Replacements = readonly (readonly [string, string])[]

function serversOf(services: NginxOptions['services']): Replacements {
  return Object.entries(services).map(([service, urls]) => {
    const servers = [urls].flat().map(url => `server ${new URL(url).host};`)
    return [`server ${service}:8080;`, servers.join(' ')] as const
  })
}

/** What must be another here: who runs it, where it writes, and where it listens. */
function placesOf(folder: string, port: number, insecure: number, tls: NginxOptions['tls']): Replacements {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${folder}/${name};`)
  const user = process.getuid?.() === 0 ? 'user root root; ' : ''
  return [
    ['worker_processes auto;', `${user}daemon off; worker_processes 2;`],
    ['pid /run/nginx.pid;', `pid ${folder}/pid;`],
    ['/var/log/nginx/error.log', `${folder}/error.log`],
    ['access_log /var/log/nginx/access.log;', `access_log off; ${temporary.join(' ')}`],
    ['listen 80 ', `listen 127.0.0.1:${insecure} `],
    ['listen 443 ssl http2 ', `listen 127.0.0.1:${port} ${tls ? 'ssl http2 ' : ''}`],
    ['ssl_certificate /etc/nginx/tls/shop.example.pem;', tls ? `ssl_certificate ${tls.cert};` : ''],
    ['ssl_certificate_key /etc/nginx/tls/shop.example.key;', tls ? `ssl_certificate_key ${tls.key};` : '']
  ]
}

async function rewrite(file: string, replacements: Replacements): Promise<void> {
  let text = await readFile(file, 'utf8')
  for (const [before, after] of replacements) {
    if (text.split(before).length !== 2) throw new Error(`${file} does not say once: ${before}`)
    text = text.replace(before, after)
  }
  await writeFile(file, text)
}

async function answers(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/health/live`, { signal: AbortSignal.timeout(1000) }).then(
    () => true,
    error => error.name !== 'TimeoutError' && error.cause?.code !== 'ECONNREFUSED'
  )
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGQUIT')
  const late = setTimeout(() => child.kill('SIGKILL'), 5000)
  await ended
  clearTimeout(late)
}
