/** Lets work be done side by side, or one piece of it alone. In order of arrival: who wants to be alone is not overtaken for ever. */
export interface Gate {
  /** Resolves when the way is free, with what is called on leaving. */
  enter(how: 'beside others' | 'alone'): Promise<() => void>
}

export function openGate(): Gate {
  let beside = 0
  let alone = false
  const waiting: { how: 'beside others' | 'alone'; admit(): void }[] = []

  function admit(): void {
    for (let next = waiting[0]; next; next = waiting[0]) {
      if (alone || (next.how === 'alone' && beside > 0)) return
      waiting.shift()
      if (next.how === 'alone') alone = true
      else beside++
      next.admit()
    }
  }

  return {
    enter(how) {
      return new Promise(resolve => {
        let left = false
        const leave = () => {
          if (left) return
          left = true
          if (how === 'alone') alone = false
          else beside--
          admit()
        }
        waiting.push({ how, admit: () => resolve(leave) })
        admit()
      })
    }
  }
}
