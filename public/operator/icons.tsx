import type { ComponentChildren } from 'preact';
import type { AlertTier } from '../../contract/alerts.ts';

function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const CloseIcon = () => (
  <Icon>
    <path d="M6 6l12 12M18 6L6 18" />
  </Icon>
);
export const BellIcon = ({ off = false }: { off?: boolean }) => (
  <Icon>
    <path d="M6 16V11a6 6 0 0 1 12 0v5l1.5 2h-15zM10 20.5h4" />
    {off && <path d="M4 4l16 16" />}
  </Icon>
);
export const ScreenIcon = () => (
  <Icon>
    <path d="M3.5 5h17v11h-17zM9 20h6M12 16v4" />
  </Icon>
);
export const KeysIcon = () => (
  <Icon>
    <path d="M3 7h18v11H3zM7 11h.1M11 11h.1M15 11h.1M7.5 14.5h9" />
  </Icon>
);
export const PinIcon = () => (
  <Icon>
    <path d="M9 4h6l-1 6 3 3H7l3-3zM12 13v7" />
  </Icon>
);
export const PeopleIcon = () => (
  <Icon>
    <circle cx="9" cy="8" r="3.2" />
    <path d="M3 19c0-3.3 2.7-5.5 6-5.5s6 2.2 6 5.5M15.5 5.2a3.2 3.2 0 0 1 0 5.6M17 14c2.4.5 4 2.4 4 5" />
  </Icon>
);

/** Tiers differ in shape, too: a circle, a triangle, an octagon. */
const shapes: Record<AlertTier, string> = {
  yellow: 'M8 1.5a6.5 6.5 0 1 0 .01 0z',
  orange: 'M8 1.2L15.4 14.4H.6z',
  red: 'M5 .8h6L15.2 5v6L11 15.2H5L.8 11V5z',
};

export function TierBadge({ tier, text, big = false }: { tier: AlertTier; text: string; big?: boolean }) {
  return (
    <span class={big ? 'tier tier-big' : 'tier'} data-tier={tier}>
      <svg viewBox="0 0 16 16" aria-hidden="true" focusable="false">
        <path d={shapes[tier]} />
      </svg>
      {text}
    </span>
  );
}
