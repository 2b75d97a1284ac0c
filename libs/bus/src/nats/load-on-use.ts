/**
 * The ways in that need NATS' client, which is loaded when one is used: the embedded gateway imports
 * this package, too, and starts with 90 modules less.
 */
type Connect = typeof import('./nats-bus.ts').connectNatsBus;
type Provision = typeof import('./provision.ts').provisionNats;

/** See `nats-bus.ts`. */
export const connectNatsBus: Connect = async (options) => {
  const loaded = await import('./nats-bus.ts');
  return loaded.connectNatsBus(options);
};

/** See `provision.ts`. */
export const provisionNats: Provision = async (options) => {
  const loaded = await import('./provision.ts');
  return loaded.provisionNats(options);
};
