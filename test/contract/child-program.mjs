// A real child for the ProcessHost suite: the same four programs as the virtual ones in process-host.test.ts.
const [kind, ...rest] = process.argv.slice(2);

if (kind === 'stubborn') process.on('SIGTERM', () => process.send({ heard: 'SIGTERM' }));
if (kind === 'broken') throw new Error('broken on purpose');
if (kind === 'talker') {
  for (let i = 0; i < 100; i += 1) process.send({ i });
  process.send({ last: true }, () => process.exit(7));
} else {
  process.on('message', (message) => {
    if (typeof message.exit === 'number') process.exit(message.exit);
    process.send({ echo: message });
  });
  process.send({ ready: rest });
}
