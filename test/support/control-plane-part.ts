/** One half of `heddle up` in a process of its own, so that it can die alone: node control-plane-part.js pilot|mixer OPTIONS */
import { MixerServer } from '../../mixer/server.ts';
import { PilotServer } from '../../pilot/server.ts';

const [part, options = '{}'] = process.argv.slice(2);
const decoded = JSON.parse(options) as ConstructorParameters<typeof PilotServer>[0];
const server = part === 'pilot' ? new PilotServer(decoded) : new MixerServer(decoded);

process.on('SIGTERM', () => void server.drain(1000).then(() => process.exit(0)));

await server.start();
process.stdout.write(`${part} is ready\n`);
