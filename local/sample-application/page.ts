import type { Sample } from './sample.js';
import { servingVersion } from './state.js';

/** What a person sees at `/`: the state of the sample application. Texts come from verbs, so all are escaped. */
export function page({ state, databases, folder }: Sample): string {
  const { maintenance } = state;
  const facts: readonly (readonly [string, string])[] = [
    ['Version', `${servingVersion(state)} (${state.serving})`],
    ['Maintenance', maintenance === null ? 'off' : `until ${maintenance.until}: ${maintenance.message}`],
    ['Traffic', state.stopped === null ? 'let in' : `stopped: ${state.stopped}`],
    ['Writing', state.readOnly === null ? 'allowed' : `frozen: ${state.readOnly}`],
    ['Isolated', list(state.isolated)],
    ['Monitoring', state.monitoring],
    ['Feature flags that are on', list(state.flags)],
    ['Scaled up', list(state.scaled)],
    ['Other environments', list(state.environments.map(({ name, version }) => `${name} (${version})`))],
    ['Databases', list([...databases.keys()])],
    ['Last change', state.changes.at(-1)?.id ?? 'none'],
    ['Data', folder],
  ];
  const rows = facts.map(([name, value]) => `<tr><th>${escape(name)}</th><td>${escape(value)}</td></tr>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sample application</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 50rem; padding: 0 1rem }
th { text-align: left; padding-right: 2rem; vertical-align: top; font-weight: 600 }
td { overflow-wrap: anywhere }
</style>
</head>
<body>
<h1>Sample application</h1>
<table>${rows.join('')}</table>
</body>
</html>
`;
}

const list = (items: readonly string[]): string => (items.length === 0 ? 'none' : items.join(', '));

const ESCAPED: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPED[character] ?? character);
}
