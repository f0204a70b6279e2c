/**
 * A terminal screen as a picture: `tmux capture-pane -ep | node docs/pictures/terminal-svg.mjs > docs/pictures/demo.svg`.
 * Knows the colours and weights that the demo's view uses; other escapes are left out.
 */
const cell = { width: 8.4, height: 18 };
const margin = 16;
const ground = '#10161d';
const plain = '#d5dde5';
const colours = new Map([
  ...[
    [31, '#ff7b72'],
    [32, '#7ee787'],
    [33, '#e3b341'],
    [34, '#79c0ff'],
    [35, '#d2a8ff'],
  ],
  ...[
    [36, '#76e3ea'],
    [37, '#ffffff'],
    [90, '#7d8590'],
    [91, '#ff7b72'],
    [92, '#7ee787'],
  ],
]);

const text = await new Promise((resolve) => {
  let all = '';
  process.stdin.setEncoding('utf8').on('data', (chunk) => {
    all += chunk;
  });
  process.stdin.on('end', () => resolve(all));
});
const lines = text.replace(/\s+$/, '').split('\n');

const escaped = (part) =>
  part.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** A style holds until it is changed, over the ends of lines too. */
let style = { fill: plain, weight: 400, opacity: 1 };

/** One row: runs of one style, each at its own column. */
function row(line, y) {
  let column = 0;
  let spans = '';
  for (const part of line.split(/(\u001b\[[0-9;]*m)/)) {
    const codes = /^\u001b\[([0-9;]*)m$/.exec(part)?.[1];
    if (codes === undefined) {
      const { fill, weight, opacity } = style;
      const x = margin + column * cell.width;
      const look = `fill="${fill}" font-weight="${weight}" fill-opacity="${opacity}"`;
      if (part.trim() !== '') {
        spans += `<tspan x="${x.toFixed(1)}" ${look}>${escaped(part)}</tspan>`;
      }
      column += [...part].length;
      continue;
    }
    for (const code of (codes === '' ? '0' : codes).split(';').map(Number)) {
      if (code === 0) style = { fill: plain, weight: 400, opacity: 1 };
      else if (code === 1) style = { ...style, weight: 700 };
      else if (code === 2) style = { ...style, opacity: 0.6 };
      else if (code === 22) style = { ...style, weight: 400, opacity: 1 };
      else if (code === 39) style = { ...style, fill: plain };
      else if (colours.has(code)) style = { ...style, fill: colours.get(code) };
    }
  }
  return `<text y="${y}" xml:space="preserve">${spans}</text>`;
}

const bare = lines.map((line) => line.replaceAll(/\u001b\[[0-9;]*m/g, ''));
const columns = Math.max(...bare.map((line) => [...line].length));
const width = Math.ceil(2 * margin + columns * cell.width);
const height = 2 * margin + lines.length * cell.height;
const rows = lines.map((line, at) => row(line, margin + (at + 0.75) * cell.height));
process.stdout.write(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<rect width="100%" height="100%" rx="8" fill="${ground}"/>
<g font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14">
${rows.join('\n')}
</g>
</svg>
`);
