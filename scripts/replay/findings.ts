/** What an audit finds: effects or events that are missing, and those that took effect more than once. */
export type Finding = { what: string; lost: number; twice: number; examples?: string[] }
