/** By platform and architecture, as Node names them. */
export const NODE_PATHS: Readonly<Record<string, string>>;
