/**
 * Every error code: its HTTP status, its title, and whether the same request can succeed later (`retry`). RFC 9457.
 * 400 can never succeed as sent; 409 conflicts with the current state; 422 is only a reused Idempotency-Key.
 * A consumer that meets one with `retry: false` sets the message aside at once; anything else is tried again.
 */
/** `type` is that of a problem which others have defined; ours are named after their code. */
type ProblemType = { status: number; title: string; retry: boolean; type?: string }

export const problems = {
  'invalid-request': { status: 400, title: 'The request does not match its schema', retry: false },
  'invalid-json': { status: 400, title: 'The body is not acceptable JSON', retry: false },
  'invalid-cursor': { status: 400, title: 'The cursor is not one that this listing gave out', retry: false },
  'malformed-http': { status: 400, title: 'The request is not well-formed HTTP', retry: false },
  'idempotency-key-required': { status: 400, title: 'This operation needs an Idempotency-Key', retry: false },
  unauthenticated: { status: 401, title: 'A valid access token is needed', retry: false },
  'insufficient-scope': { status: 403, title: 'The token does not carry the scope that this needs', retry: false },
  'insufficient-role': { status: 403, title: 'No role of the user allows this', retry: false },
  'user-not-active': { status: 403, title: 'The user in whose name this is asked may not act', retry: false },
  'event-type-not-permitted': { status: 403, title: 'The client may not read events of this type', retry: false },
  'not-owner': { status: 403, title: 'Only its owner may do this', retry: false },
  'not-found': { status: 404, title: 'There is no such thing', retry: false },
  'method-not-allowed': { status: 405, title: 'This path does not know that method', retry: false },
  'not-acceptable': { status: 406, title: 'No representation that the client accepts', retry: false },
  'request-timeout': { status: 408, title: 'The request took too long to arrive', retry: true },
  'sku-taken': { status: 409, title: 'Another variant has this SKU', retry: false },
  'slug-taken': { status: 409, title: 'Something else has this slug', retry: false },
  'external-id-taken': { status: 409, title: 'Another product has this external id', retry: false },
  'code-taken': { status: 409, title: 'Something else has this code', retry: false },
  'duplicate-options': { status: 409, title: 'Another variant of this product has the same options', retry: false },
  'variant-required': { status: 409, title: 'An active product needs at least one active variant', retry: false },
  'illegal-transition': { status: 409, title: 'Its state does not allow this', retry: false },
  'reference-not-found': { status: 409, title: 'Something that the request refers to does not exist', retry: false },
  'price-overlap': { status: 409, title: 'The list has a price for some of that time already', retry: false },
  'category-cycle': { status: 409, title: 'A category cannot be below itself', retry: false },
  'category-in-use': { status: 409, title: 'The category still has subcategories or products', retry: false },
  'open-reservations': { status: 409, title: 'There are open reservations', retry: true },
  'insufficient-stock': { status: 409, title: 'There is not enough stock', retry: true },
  'not-sellable': { status: 409, title: 'Something in the order cannot be sold', retry: false },
  'conflicting-reservation': { status: 409, title: 'The order already has a reservation with other items', retry: false },
  'order-already-cancelled': { status: 409, title: 'The order is already cancelled', retry: false },
  'reservation-expired': { status: 409, title: 'The reservation expired and its stock is gone', retry: false },
  'commit-refused': { status: 409, title: 'The order is complete but its stock is gone', retry: false },
  'would-oversell': { status: 409, title: 'The adjustment would take away reserved stock', retry: false },
  'stale-quantity': { status: 409, title: 'The quantity on hand is not the expected one', retry: false },
  'quantity-overflow': { status: 409, title: 'The quantity would pass its limit', retry: false },
  'limit-reached': { status: 409, title: 'There are as many of these as there may be', retry: false },
  'idempotency-in-flight': { status: 409, title: 'A request with this Idempotency-Key is being processed', retry: true },
  'operation-ended': { status: 410, title: 'This operation has ended; Link names its successor, where it has one', retry: false },
  'position-gone': { status: 410, title: 'The event log no longer reaches back so far', retry: false },
  'precondition-failed': { status: 412, title: 'It has changed since the version in If-Match', retry: false },
  'payload-too-large': { status: 413, title: 'The body is too large', retry: false },
  'uri-too-long': { status: 414, title: 'The path is too long', retry: false },
  'unsupported-media-type': { status: 415, title: 'The body has a media type that this does not read', retry: false },
  'idempotency-key-reused': { status: 422, title: 'The Idempotency-Key was used for another request', retry: false },
  'too-many-requests': { status: 429, title: 'Too many requests', retry: true },
  'quota-exceeded': {
    status: 429,
    title: 'Request cannot be satisfied as assigned quota has been exceeded',
    retry: true,
    type: 'https://iana.org/assignments/http-problem-types#quota-exceeded'
  },
  'headers-too-large': { status: 431, title: 'The header fields are too large', retry: false },
  internal: { status: 500, title: 'Something went wrong on our side', retry: true },
  'not-implemented': { status: 501, title: 'Nothing here knows how to do this', retry: false },
  unavailable: { status: 503, title: 'Something this depends on is away for now', retry: true }
} as const satisfies Record<string, ProblemType>

export type ProblemCode = keyof typeof problems

/** A fault at one place of the input: a JSON Pointer as a URI fragment (RFC 6901 §6), a code, and words for people. */
export type Fault = { pointer: string; code: string; detail: string }

/** Thrown by a behaviour that refuses; the edges translate it. Extension members travel beside the RFC 9457 ones. */
export class Problem extends Error {
  readonly code: ProblemCode
  readonly extensions: Record<string, unknown>
  constructor(code: ProblemCode, detail?: string, extensions: Record<string, unknown> = {}) {
    super(detail ?? problems[code].title)
    this.name = 'Problem'
    this.code = code
    this.extensions = extensions
  }
  get status(): number {
    return problems[this.code].status
  }
  get retry(): boolean {
    return problems[this.code].retry
  }
}
