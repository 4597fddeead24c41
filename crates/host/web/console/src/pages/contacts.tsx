import { nameOf, useClient } from '../data/client.js';
import { useStore } from '../data/store.js';
import { href } from '../router.js';
import { PageFrame } from '../shell/shell.js';
import { Avatar, Empty, Key } from '../ui/controls.js';

/** Everybody with whom the identity shares a space. */
export function Contacts() {
  const client = useClient();
  const contacts = useStore(client.halo.contacts);
  const loaded = useStore(client.halo.contacts.loaded);
  const sorted = [...contacts].sort(
    (one, other) => Number(other.online) - Number(one.online) || (one.profile.displayName ?? '').localeCompare(other.profile.displayName ?? ''),
  );
  return (
    <PageFrame title="Contacts" name="Contacts">
      <div className="column">
        {loaded && contacts.length === 0 ? (
          <Empty icon="contacts" title="Nobody yet">
            Whoever shares a space with you shows here.
          </Empty>
        ) : (
          <ul className="card list">
            {sorted.map((contact) => (
              <li key={contact.identity} className="member">
                <Avatar name={contact.profile.displayName} id={contact.identity} online={contact.online} />
                <div className="grow">
                  <strong style={{ fontWeight: 560 }}>{contact.profile.displayName ?? 'No name'}</strong>
                  <span className="small faint row wrap" style={{ columnGap: 8, rowGap: 0 }}>
                    {contact.online ? 'online' : 'offline'}
                    <Key value={contact.identity} what="Identity" />
                  </span>
                </div>
                <span className="row wrap" style={{ justifyContent: 'flex-end' }}>
                  {contact.spaces.map((key) => {
                    const space = client.getSpace(key);
                    return (
                      space && (
                        <a key={key} className="badge" href={href('space', key, 'members')}>
                          {nameOf(space)}
                        </a>
                      )
                    );
                  })}
                </span>
              </li>
            ))}
          </ul>
        )}
      </div>
    </PageFrame>
  );
}
