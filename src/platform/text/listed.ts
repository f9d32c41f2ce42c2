/** The entries of a list between commas; spaces around them and empty ones do not count. */
export function listed(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map(entry => entry.trim())
    .filter(entry => entry !== '')
}
