import { pairWorld, simWorld, socketWorld } from './message-worlds.ts';
import { transportSuite } from './transport.suite.ts';

transportSuite('mqtt.js and aedes over sockets', socketWorld);
transportSuite('mqtt.js and aedes over a pair in memory', pairWorld);
transportSuite('simulated', () => simWorld());
