import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface SmtpSink {
  readonly url: string;
  /** Messages that were taken, oldest first. */
  readonly taken: { readonly to: string; readonly content: string }[];
  /** What happens to the next messages for an address: a reply to RCPT TO, or the connection is cut after the message. */
  readonly next: { to: string; do: 'cut' | 'ignore' | `${number} ${string}` }[];
}

/** A small SMTP server (RFC 5321) that keeps what it gets. It stops when the test ends. */
export async function smtpSink(): Promise<SmtpSink> {
  const taken: SmtpSink['taken'] = [];
  const next: SmtpSink['next'] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let to = '';
    let content: string | undefined;
    let cut = false;
    let rest = '';
    const say = (line: string): void => void socket.write(`${line}\r\n`);
    const take = (line: string): void => {
      if (content !== undefined) {
        if (line !== '.') content += `${line}\n`;
        else {
          taken.push({ to, content });
          content = undefined;
          if (cut) socket.destroy();
          else say('250 taken');
        }
        return;
      }
      const command = line.slice(0, 4).toUpperCase();
      if (command === 'RCPT') {
        to = /<([^>]*)>/.exec(line)?.[1] ?? '';
        const index = next.findIndex((one) => one.to === to);
        const [order] = index < 0 ? [] : next.splice(index, 1);
        cut = order?.do === 'cut';
        if (order?.do === 'ignore') return;
        say(order === undefined || cut ? '250 ok' : `${order.do} <${to}>`);
      } else if (command === 'DATA') {
        content = '';
        say('354 go on');
      } else if (command === 'QUIT') {
        say('221 bye');
        socket.end();
      } else say('250 ok');
    };
    socket.on('error', () => undefined);
    socket.on('data', (data: Buffer) => {
      const lines = (rest + data.toString()).split('\r\n');
      rest = lines.pop() ?? '';
      lines.forEach(take);
    });
    say('220 sink');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  return { url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`, taken, next };
}
