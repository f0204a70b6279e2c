import { type DeviceAddress, downFilter } from '../shared/contracts/topics.ts';
import { connectPacket, RawClient, subscribePacket } from '../test/support/raw-mqtt.ts';

/** What a client has received once it is connected and subscribed: CONNACK and SUBACK. */
export const greetingBytes = 9;

/** One connection for each device, one after another, subscribed to what is sent down to it. */
export async function connectClients(
  port: number,
  addresses: readonly DeviceAddress[],
  passwordOf: (at: number) => string | Promise<string>,
): Promise<readonly RawClient[]> {
  const clients: RawClient[] = [];
  for (const [at, address] of addresses.entries()) {
    const client = await RawClient.open(port);
    client.send(connectPacket({ clientId: address.device, password: await passwordOf(at) }));
    await client.length(4);
    client.send(subscribePacket(downFilter(address)));
    await client.length(greetingBytes);
    clients.push(client);
  }
  return clients;
}
