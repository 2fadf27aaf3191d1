import type { SendOutcome } from '../outcome.ts';

/** Values of an approved template's variables, by name. Providers refuse links in them. */
export type TemplateValues = Readonly<Record<string, string>>;

/** Who carries text messages and calls. Texts are templates that the provider has approved. Never rejects. */
export type PhoneProvider = {
  sendText(
    message: {
      readonly phone: string;
      readonly signName: string;
      readonly template: string;
      readonly values: TemplateValues;
      /** At most 15 bytes: comes back in the provider's receipts. */
      readonly outId: string;
    },
    signal: AbortSignal,
  ): Promise<SendOutcome>;
  call(
    message: {
      readonly phone: string;
      readonly template: string;
      readonly values: TemplateValues;
      /** Number that the callee sees; empty: one of the provider's. */
      readonly shownNumber: string;
      readonly outId: string;
    },
    signal: AbortSignal,
  ): Promise<SendOutcome>;
};
