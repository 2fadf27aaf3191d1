/** Raised whenever anything in this folder changes what is on the wire; a test compares it with a fingerprint of the schemas. */
export const PROTOCOL_VERSION = 2;
