/** How fast a container sends and receives under the drop-in for bandwidth. */
import { expect, type Container, type Host, type Outside } from '../../helpers/host.ts';

/** A megabyte a second, and little at once. */
export const limit = { rate: 8_000_000, burst: 800_000 };
export const both = {
  ingressRate: limit.rate,
  ingressBurst: limit.burst,
  egressRate: limit.rate,
  egressBurst: limit.burst,
};
const bytes = 1_600_000;
/** The bytes less the burst and what the queue holds, at a megabyte a second: less it cannot take. */
export const leastSeconds = (bytes - limit.burst / 8 - 25_000 - limit.burst / 8) / (limit.rate / 8);

/** Listens at 8.8.8.8, and sends or takes as many bytes as the first byte of a client says. */
const peer = `
import socket
server = socket.create_server(('8.8.8.8', 9000))
while True:
    client, _ = server.accept()
    with client:
        if client.recv(1) == b's': client.sendall(bytes(${bytes}))
        else:
            left = ${bytes}
            while left > 0: left -= len(client.recv(65536)) or left
            client.sendall(b'k')
`;

/** Prints how many seconds it took. */
const transfer = `
import socket, sys, time
client = socket.create_connection(('8.8.8.8', 9000))
start = time.monotonic()
if sys.argv[1] == 'receive':
    client.sendall(b's')
    left = ${bytes}
    while left > 0: left -= len(client.recv(65536)) or left
else:
    client.sendall(b'r' + bytes(${bytes}))
    client.recv(1)
print(time.monotonic() - start)
`;

export async function seconds(host: Host, where: Container, direction: 'receive' | 'send'): Promise<number> {
  return Number(await host.run(['python3', '-c', transfer, direction], { where, timeout: 60_000 }));
}

/** Has a peer outside wait for {@link seconds}. */
export async function startPeer(host: Host, outside: Outside): Promise<void> {
  await host.spawn(['python3', '-c', peer], { where: outside });
  await expect
    .poll(async () => (await host.exec(['ss', '-Hltn', 'sport = 9000'], { where: outside })).stdout)
    .not.toBe('');
}
