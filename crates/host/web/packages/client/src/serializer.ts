import type { SpaceSerializer } from './api/client.js';
import type { Space as SpaceApi } from './api/space.js';
import type { Link } from './core/link.js';
import type { Echo } from './echo/echo.js';
import { fromBase64, toBase64 } from './echo/values.js';
import { HostError } from './errors.js';
import { ErrorCode } from './generated/protocol.js';

/** Spaces as archives. */
export class Serializer implements SpaceSerializer {
  constructor(
    private readonly link: Link,
    private readonly echo: Echo,
  ) {}

  async serializeSpace(space: SpaceApi, options: { passphrase?: string } = {}): Promise<Uint8Array> {
    await space.db.flush();
    const { archive } = await this.link.call('client.serializeSpace', { space: space.key, ...options }, 'always').catch(explain);
    return fromBase64(archive);
  }

  async deserializeSpace(archive: Uint8Array, options: { passphrase?: string } = {}): Promise<SpaceApi> {
    const info = await this.link.call('client.deserializeSpace', { archive: toBase64(archive), ...options }).catch(explain);
    return this.echo.adopt(info);
  }
}

function explain(error: unknown): never {
  if (!(error instanceof HostError) || error.code !== ErrorCode.METHOD_NOT_FOUND) throw error;
  throw new HostError({
    code: error.code,
    message: 'this host offers no archives of spaces: a space cannot be written into a file, nor read from one',
    data: { kind: error.kind, action: error.action },
  });
}
