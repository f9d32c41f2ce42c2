/** Values that are wrong almost everywhere. */

/** As JSON text, or as what looks like it. */
export const spellings = [
  ...[
    'null',
    'true',
    'false',
    '[]',
    '{}',
    '""',
    '" "',
    '0',
    '-0',
    '-1',
    '1.5',
    '1e-7',
    '1.0',
    '1e2',
    '101',
    '2000000000',
    '2000000001',
    '-2000000001'
  ],
  ...[
    '2147483648',
    '4294967296',
    '9007199254740991',
    '9007199254740992',
    '-9007199254740993',
    '1e308',
    '1e400',
    '-1e400',
    'NaN',
    '01',
    '0x1'
  ],
  ...[
    '"\\u0000"',
    '"a\\u0000b"',
    '"\\ud800"',
    '"\\udfff\\ud800"',
    '"\\u202e"',
    '"\\ufeff"',
    '"\\u001b[2J"',
    '"\\n"',
    '"\\u2028"',
    '"😀"',
    '"é"',
    '"e\\u0301"'
  ],
  ...[
    '"__proto__"',
    '"constructor"',
    '{"__proto__":{"polluted":1}}',
    '{"constructor":{"prototype":{"polluted":1}}}',
    '{"a":1,"a":2}',
    '{"toString":1}'
  ],
  ...[
    '"\' or 1=1 --"',
    '"$1"',
    '"%"',
    '"<script>"',
    '"../.."',
    '"1"',
    '"-1"',
    '"1e3"',
    '"null"',
    '"active"',
    '"archived"',
    '"counted"'
  ],
  ...[
    '"2026-02-30T24:00:60Z"',
    '"0000-01-01T00:00:00Z"',
    '"00000000-0000-0000-0000-000000000000"',
    '"01990000-0000-7000-8000-000000000000"'
  ],
  `"${'x'.repeat(70)}"`,
  `"${'x'.repeat(25_000)}"`,
  `"${'😀'.repeat(300)}"`,
  '['.repeat(40) + ']'.repeat(40),
  `[${'1,'.repeat(2000)}1]`,
  `{${Array.from({ length: 200 }, (_, i) => `"k${i}":${i}`).join(',')}}`
]

/** In the place of an id. */
export const pathValues = [
  '',
  '0',
  '%00',
  '%2F',
  '%2e%2e',
  '%ff',
  '%F0%9F%98%80',
  "'",
  '%27%20or%201=1--',
  'null',
  '__proto__',
  '01990000-0000-7000-8000-000000000000',
  'x'.repeat(200),
  'x'.repeat(201)
]
/** By header. */
export const headerValues = {
  'if-match': ['"1"', '"999"', 'W/"1"', '*', '1', '"1', '"1", "2"', '""', 'é', 'x'.repeat(5000)],
  'if-none-match': ['"1"', 'W/"1"', '*', 'x', '"1", "2"'],
  'idempotency-key': ['"', 'a b', 'é', 'x'.repeat(255), 'x'.repeat(256), '""', '"q"', 'a, b'],
  'content-type': [
    'text/plain',
    'application/json; charset=utf-16',
    'application/merge-patch+json',
    'application/json;',
    'x',
    '*/*',
    'application/JSON',
    'application/json; charset=utf-8'
  ],
  'content-encoding': ['gzip', 'identity'],
  accept: ['text/html', 'application/json;q=0', 'rubbish', '*/*;q=0.1', 'application/*'],
  authorization: ['Bearer', 'Basic eDp5', 'Bearer nobody users:read', ''],
  traceparent: ['x', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'é'],
  'x-request-id': ['x'.repeat(500), '<b>', 'good-1']
}
