import { brokerSuite } from './broker.suite.ts';
import { pairWorld, simWorld, socketWorld } from './message-worlds.ts';

brokerSuite('aedes and mqtt.js over sockets', socketWorld);
brokerSuite('aedes and mqtt.js over a pair in memory', pairWorld);
brokerSuite('simulated', () => simWorld());
