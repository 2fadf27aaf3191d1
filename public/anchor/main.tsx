import '../lib/tokens.css';
import './overlay.css';
import { render } from 'preact';
import { localeOf } from '../lib/languages.ts';
import { LayoutView } from './layouts.tsx';
import { visibility } from './obs.ts';
import { keepConnected } from './overlay-link.ts';
import { parseParameters } from './parameters.ts';
import { createOverlay, OverlayProvider, useOverlay } from './store.ts';

/*
 * The token stays in the address: OBS reloads the address that the page has now ("Refresh", or when a scene becomes active), and one
 * without its fragment could never come back. A fragment is sent nowhere, the page holds no links, and Referrer-Policy is no-referrer.
 */
const parameters = parseParameters(location);
const { overlay, events } = createOverlay(parameters, visibility(window));

const { documentElement } = document;
documentElement.lang = localeOf[parameters.language];
documentElement.dataset['theme'] = parameters.theme;
documentElement.dataset['layout'] = parameters.layout;
documentElement.dataset['corner'] = parameters.corner;
document.title = overlay.words.title;

if (parameters.livestreamId !== null) {
  const { livestreamId, audience, token } = parameters;
  keepConnected({ livestreamId, audience, token, events, reload: () => location.reload() });
}

/** The heading is for readers of pages only: the picture has no room for it. */
function Page() {
  return (
    <>
      <h1 class="visually-hidden">{overlay.words.title}</h1>
      <Content />
    </>
  );
}

function Content() {
  const { problem, followed, livestream, words } = useOverlay();
  if (problem.value !== null) {
    return (
      <p class="problem" role="alert">
        {words.problem[problem.value]}
      </p>
    );
  }
  const item = followed.value;
  if (item !== null) return <LayoutView layout={parameters.layout} item={item} />;
  return livestream.value === null ? <Connecting /> : <p class="problem">{words.waitingForItem}</p>;
}

/** The very first seconds show nothing: a source that comes up on air must not flash. */
function Connecting() {
  const { awaySinceMs, nowMs, words } = useOverlay();
  void nowMs.value;
  const since = awaySinceMs.value;
  return since !== null && Date.now() - since > 2_000 ? <p class="problem">{words.connecting}</p> : null;
}

render(
  <OverlayProvider value={overlay}>
    <Page />
  </OverlayProvider>,
  document.querySelector('#page') ?? document.body,
);
