import type { Catalogue } from '../catalogue.js';
import { NameBook, Services } from './services.js';
import { clean, coloursFor, jsonLine, type Colours, type Io } from './terminal.js';

/** What every command gets. */
export class Context {
  readonly services: Services;
  readonly names: NameBook;
  readonly colours: Colours;
  /** Set by a command that ends in its own way when it is interrupted. */
  handlesInterrupt = false;

  constructor(
    readonly io: Io,
    readonly catalogue: Catalogue,
    readonly json: boolean,
  ) {
    this.services = new Services(io);
    this.names = new NameBook(() => this.services.directory);
    this.colours = coloursFor(io);
  }

  /** For people: a line of our own, whose parts from elsewhere are clean. */
  say(line = ''): void {
    if (!this.json) this.io.stdout.write(`${line}\n`);
  }

  /** For people, beside the answer: never part of what is piped on. */
  hint(line: string): void {
    if (!this.json) this.io.stderr.write(`${this.colours.dim(line)}\n`);
  }

  /** The answer for programs: one document. */
  document(value: unknown): void {
    if (this.json) this.io.stdout.write(`${jsonLine(value, 2)}\n`);
  }

  /** The answer for programs: one of several lines. */
  event(value: unknown): void {
    if (this.json) this.io.stdout.write(`${jsonLine(value)}\n`);
  }

  /** A sentence that came from elsewhere, with names for ids. */
  async sentence(text: string): Promise<string> {
    return clean(await this.names.inText(text));
  }

  /** The signal of Ctrl-C, for a command that ends in its own way. */
  interruptible(): AbortSignal {
    this.handlesInterrupt = true;
    return this.io.interrupt;
  }
}
