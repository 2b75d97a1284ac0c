import type { ChatPart } from '../chat/chat-request.ts';
import { invalidField } from '../chat/invalid-field.ts';
import type { RequestPart } from './generate-request.ts';

/** OpenAI's names of audio formats. */
const AUDIO_FORMATS: Readonly<Record<string, string>> = {
  'audio/mpeg': 'mp3',
  'audio/mp3': 'mp3',
  'audio/wav': 'wav',
  'audio/x-wav': 'wav',
  'audio/wave': 'wav',
};

/** Files in Google's own store and its videos: nobody else can read them. */
const OWN_HOSTS = /^(?:gs:|https:\/\/(?:generativelanguage\.googleapis\.com|(?:www\.)?youtu))/i;

/** An image, a sound or a document. Throws `invalid_request`, naming the part, for others. */
export function mediaPartToChat(part: RequestPart, path: string): ChatPart {
  if (part.inlineData != null) {
    return inlinePart(part.inlineData.mimeType, part.inlineData.data, `${path}.inlineData`);
  }
  if (part.fileData == null) throw refusal(path);
  const { fileUri, mimeType } = part.fileData;
  const isImage = mimeType == null || mimeType.startsWith('image/');
  if (OWN_HOSTS.test(fileUri) || !isImage) throw refusal(`${path}.fileData.fileUri`);
  return { type: 'image_url', image_url: { url: fileUri } };
}

function inlinePart(mimeType: string, data: string, path: string): ChatPart {
  const type = mimeType.toLowerCase();
  const url = `data:${type};base64,${standardBase64(data)}`;
  if (type.startsWith('image/')) return { type: 'image_url', image_url: { url } };
  const format = AUDIO_FORMATS[type];
  if (format !== undefined) {
    return { type: 'input_audio', input_audio: { data: standardBase64(data), format } };
  }
  if (type === 'application/pdf' || type.startsWith('text/')) {
    return { type: 'file', file: { file_data: url, filename: 'document' } };
  }
  throw refusal(`${path}.mimeType`);
}

/** Google takes the alphabet for addresses as well. */
function standardBase64(data: string): string {
  return data.replaceAll('-', '+').replaceAll('_', '/');
}

function refusal(param: string): Error {
  return invalidField(
    param,
    `Invalid '${param}': this kind of content is not supported with models of this provider.`,
    'unsupported_value',
  );
}
