/** What a process under test has spent and holds, by its own metrics. */

export interface ProcessCost {
  readonly cpuMs: number;
  readonly residentBytes: number;
}

/** Reads `/metrics` of a process at its operations address. */
export async function processCost(operationsUrl: string): Promise<ProcessCost> {
  const text = await (await fetch(`${operationsUrl}/metrics`)).text();
  const sum = (name: string) => {
    const values = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, 'gm'))];
    if (values.length === 0) throw new Error(`no metric ${name}`);
    return values.reduce((total, [, value]) => total + Number(value), 0);
  };
  return {
    cpuMs: sum('process_cpu_time_total') * 1000,
    residentBytes: sum('process_memory_usage'),
  };
}
