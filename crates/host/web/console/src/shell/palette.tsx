import { type KeyboardEvent, useId, useMemo, useState } from 'react';
import { nameOf, useClient, useSpacesByName } from '../data/client.js';
import { useStore } from '../data/store.js';
import { href, navigate, searchHref, useRoute } from '../router.js';
import { useModal } from '../ui/dialog.js';
import { Icon, type IconName } from '../ui/icon.js';
import { toast } from '../ui/toast.js';
import { openDialog } from './dialogs.js';
import { PAGES, SPACE_PAGES } from './pages.js';
import { setTheme } from './theme.js';

interface Command {
  readonly group: string;
  readonly title: string;
  readonly icon: IconName;
  readonly run: () => void;
}

const SHOWN = 60;
const NO_COMMANDS: readonly Command[] = [];

/** The command palette: everything by its name. */
export function Palette({ onClose }: { onClose: () => void }) {
  const ref = useModal(onClose);
  const id = useId();
  const commands = useCommands();
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const searches = useSearches(text);
  const found = useMemo(() => [...search(commands, text).slice(0, SHOWN), ...searches], [commands, text, searches]);
  const chosen = Math.min(at, found.length - 1);
  const choose = (command: Command | undefined) => {
    if (!command) return;
    onClose();
    command.run();
  };
  const press = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      const next = Math.max(0, Math.min(found.length - 1, chosen + step));
      setAt(next);
      document.getElementById(`${id}-${next}`)?.scrollIntoView({ block: 'nearest' });
    } else if (event.key === 'Enter') {
      event.preventDefault();
      choose(found[chosen]);
    }
  };
  return (
    <dialog ref={ref} className="dialog palette" aria-label="Search or jump to">
      <input
        className="palette-input"
        role="combobox"
        aria-expanded="true"
        aria-controls={`${id}-list`}
        aria-activedescendant={found.length > 0 ? `${id}-${chosen}` : undefined}
        aria-label="Search or jump to"
        placeholder="Search or jump to…"
        autoFocus
        spellCheck={false}
        autoComplete="off"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
        onKeyDown={press}
      />
      <div className="palette-list" id={`${id}-list`} role="listbox" aria-label="Results">
        {found.map((command, index) => (
          <div
            key={`${command.group} ${command.title} ${index}`}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === chosen}
            onMouseMove={() => setAt(index)}
            onClick={() => choose(command)}
          >
            <Icon name={command.icon} />
            <span className="grow truncate">{command.title}</span>
            <span className="faint small">{command.group}</span>
          </div>
        ))}
        {found.length === 0 && (
          <p className="soft" style={{ padding: '10px' }}>
            Nothing is called that.
          </p>
        )}
      </div>
    </dialog>
  );
}

/** The commands that have all words of the text in their name, those that begin with it first. */
function search(commands: readonly Command[], text: string): Command[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const rank = (command: Command) => {
    const title = command.title.toLowerCase();
    const all = `${title} ${command.group.toLowerCase()}`;
    if (!words.every((word) => all.includes(word))) return -1;
    return title.startsWith(words[0] ?? '') ? 0 : words.every((word) => title.includes(word)) ? 1 : 2;
  };
  return commands
    .map((command) => ({ command, rank: rank(command) }))
    .filter((one) => one.rank >= 0)
    .sort((one, other) => one.rank - other.rank)
    .map((one) => one.command);
}

/** Spaces that are offered to be searched. */
const SEARCHED_MAX = 8;

/** Searches for what was typed: in the space that shows, or else in every one. */
function useSearches(text: string): readonly Command[] {
  const spaces = useSpacesByName();
  const { parts } = useRoute();
  const words = text.trim();
  if (words === '') return NO_COMMANDS;
  const here = parts[0] === 'space' ? spaces.filter((space) => space.key === parts[1]) : [];
  return (here.length > 0 ? here : spaces.filter((space) => space.isOpen)).slice(0, SEARCHED_MAX).map((space) => ({
    group: 'Search',
    title: `Search “${words}” in ${nameOf(space)}`,
    icon: 'search',
    run: () => navigate(searchHref(space.key, words)),
  }));
}

function useCommands(): readonly Command[] {
  const client = useClient();
  const spaces = useSpacesByName();
  const network = useStore(client.mesh.networkStatus);
  const { parts } = useRoute();
  const here = parts[0] === 'space' ? spaces.find((space) => space.key === parts[1]) : undefined;
  const online = network?.state === 'online';
  return useMemo(() => {
    const commands: Command[] = [];
    const go = (group: string, title: string, icon: IconName, to: string) =>
      commands.push({ group, title, icon, run: () => navigate(to) });
    if (here) {
      const name = nameOf(here);
      for (const page of SPACE_PAGES) go(name, page.title, page.icon, href('space', here.key, page.id));
      commands.push({
        group: name,
        title: 'Invite somebody',
        icon: 'invite',
        run: () => openDialog({ dialog: 'invite', space: here.key }),
      });
    }
    for (const space of spaces) go('Space', nameOf(space), 'block', href('space', space.key, 'objects'));
    for (const group of PAGES) {
      for (const page of group.pages) go(group.title, page.title, page.icon, href(page.id));
    }
    const run = (title: string, icon: IconName, action: () => void) => commands.push({ group: 'Command', title, icon, run: action });
    run('Create a space', 'add', () => openDialog({ dialog: 'createSpace' }));
    run('Restore an archive', 'undo', () => openDialog({ dialog: 'restore' }));
    run('Join a space', 'join', () => openDialog({ dialog: 'joinSpace' }));
    run('Add a device', 'devices', () => openDialog({ dialog: 'addDevice' }));
    run(online ? 'Go offline' : 'Go online', 'network', () => {
      client.mesh.setConnectionState(online ? 'offline' : 'online').catch((error: Error) => toast(error.message, 'bad'));
    });
    run('Light colours', 'sun', () => setTheme('light'));
    run('Dark colours', 'moon', () => setTheme('dark'));
    run('Colours of the system', 'system', () => setTheme('system'));
    run('Show the keyboard’s keys', 'more', () => openDialog({ dialog: 'shortcuts' }));
    return commands;
  }, [client, spaces, here, online]);
}
