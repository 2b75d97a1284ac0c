import { invalidField } from '../chat/invalid-field.ts';

/** A model's resource name as a path: nothing in it can leave its segment. */
export function modelPath(model: string): string {
  const segments = model.split('/').map(encodeURIComponent);
  if (segments.some((segment) => segment === '' || /^\.+$/.test(segment))) {
    throw invalidField('model', "Invalid 'model': the provider cannot have a model of this name.");
  }
  return segments.length === 1 ? `models/${segments[0]}` : segments.join('/');
}

/** A model as it is named inside of a body. */
export function modelName(model: string): string {
  return model.includes('/') ? model : `models/${model}`;
}

/** The model's own part of a name in a body. */
export function bareModel(name: string): string {
  return name.replace(/^models\//, '');
}
